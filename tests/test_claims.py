"""The tables of claims: verdict, certainty, links and figures are those of `claims.json`.

Each claim names the notebook sections that test it, and the recorded figures that its row quotes.
A path leads through a record to the figure; "*" stands for all members of a list. What a path ends
at is averaged, and quoted with one decimal.
"""

import json
import re
import statistics

import pytest
from course_notebooks import ROOT, VERDICTS, read

from hdd.train.records import load_run

CLAIMS = json.loads((ROOT / "resources" / "claims.json").read_text(encoding="utf-8"))
HEADING = re.compile(r"^#{2,3} (.*)$", flags=re.M)
QUOTED = re.compile(r"(\d+\.\d) ?(?:%|个百分点|points)")


SECTIONS = {
    "certain": ("确定", "Certain"),
    "tentative": ("有迹象", "Tentative"),
    "unknown": ("不知道", "Unknown"),
}


def notebook(stem):
    return read(ROOT / "notebooks" / f"{stem}.ipynb")


def tables(language):
    """Return for each section of notebook 17 with claims the cells of its rows, by claim."""
    found = {}
    for cell in notebook(VERDICTS).cells:
        for sure, names in SECTIONS.items() if language in cell.metadata.get("tags", []) else ():
            if re.search(rf"^## \d\. ({'|'.join(names)})$", cell.source, flags=re.M):
                lines = re.findall(r"^\| (\d+) \|(.*)\|$", cell.source, flags=re.M)
                found[sure] = {int(n): [c.strip() for c in row.split(" | ")] for n, row in lines}
    return found


def rows(language):
    """Return the cells of each claim's row, by the number of the claim."""
    return {n: row for table in tables(language).values() for n, row in table.items()}


def figure(node, path):
    """Return the mean of everything in a record that `path` leads to."""
    for index, key in enumerate(path):
        if key == "*":
            return statistics.mean(figure(item, path[index + 1 :]) for item in node)
        node = node[key]
    return statistics.mean(node) if isinstance(node, list) else node


def measured(claim):
    """Return the figures that a row quotes."""
    return [
        f"{figure(load_run(one['record']), one['path']) * one.get('times', 1):.1f}"
        for one in claim["measured"]
    ]


@pytest.fixture(params=["zh", "en"])
def language(request):
    return request.param


def test_every_claim_has_a_row(language):
    assert [claim["claim"] for claim in CLAIMS] == sorted(rows(language)) == list(range(1, 20))


def test_every_claim_stands_where_its_certainty_says(language):
    for sure, table in tables(language).items():
        assert list(table) == [one["claim"] for one in CLAIMS if one["certainty"] == sure]


def test_verdicts_and_figures_are_those_of_the_records(language):
    for claim in CLAIMS:
        row = rows(language)[claim["claim"]]
        assert row[1][0] == claim["verdict"], claim
        assert QUOTED.findall(row[-1]) == measured(claim), claim


def test_links_lead_to_the_very_section(language):
    for claim in CLAIMS:
        assert claim["sections"], "every claim is tested somewhere"
        row = rows(language)[claim["claim"]][-1]
        links = re.findall(r"\((\d\d_\w+)\.ipynb#cell-id=([^)]*)\)", row)
        assert [stem for stem, _ in links] == [stem for stem, _ in claim["sections"]]
        for (stem, cell_id), (_, number) in zip(links, claim["sections"], strict=True):
            (cell,) = (cell for cell in notebook(stem).cells if cell.get("id") == cell_id)
            assert language in cell.metadata.tags
            assert HEADING.search(cell.source)[1].startswith(f"{number} ")
