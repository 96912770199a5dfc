"""The table of claims: verdict, certainty, links and figures are those of `claims.json`.

Each claim has a row in notebook 17. The file names its evidence, what the course found, the
sections that test it, and the recorded figures that it quotes. A path leads through a record to
the figure; "*" stands for all members of a list. What a path ends at is averaged, and quoted with
one decimal.
"""

import json
import re
import statistics

import pytest
from course_notebooks import ROOT, VERDICTS, read

from hdd.teaching.language import LANGUAGES, split
from hdd.teaching.site.pages import ROW
from hdd.train.records import load_run

CLAIMS = json.loads((ROOT / "resources" / "claims.json").read_text(encoding="utf-8"))
HEADING = re.compile(r"^#{2,3} (.*)$", flags=re.M)
QUOTED = re.compile(r"(\d+\.\d) ?(?:%|个百分点|points)")
CERTAINTY = {
    "certain": ("确定", "certain"),
    "tentative": ("有迹象", "tentative"),
    "unknown": ("不知道", "unknown"),
}


def notebook(stem):
    return read(ROOT / "notebooks" / f"{stem}.ipynb")


def rows(language):
    """Return (claim, verdict, certainty, where it is tested) of each row, by the claim's number."""
    cells = notebook(VERDICTS).cells
    texts = [cell.source for cell in cells if language in cell.metadata.get("tags", [])]
    return {int(number): row for text in texts for number, *row in ROW.findall(text)}


def figure(node, path):
    """Return the mean of everything in a record that `path` leads to."""
    for index, key in enumerate(path):
        if key == "*":
            return statistics.mean(figure(item, path[index + 1 :]) for item in node)
        node = node["values" if key == "mean" and "values" in node else key]  # not rounded twice
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
    assert [claim["claim"] for claim in CLAIMS] == list(rows(language)) == list(range(1, 20))


def test_verdict_and_certainty_are_those_of_the_file(language):
    for claim in CLAIMS:
        _, verdict, certainty, _ = rows(language)[claim["claim"]]
        assert verdict[0] == claim["verdict"], claim
        assert certainty == CERTAINTY[claim["certainty"]][LANGUAGES.index(language)], claim


def test_figures_are_those_of_the_records(language):
    for claim in CLAIMS:
        found = split(claim.get("found", ""))[LANGUAGES.index(language)]
        assert QUOTED.findall(found) == measured(claim), claim


def test_links_lead_to_the_very_section(language):
    for claim in CLAIMS:
        assert claim["sections"], "every claim is tested somewhere"
        tested = rows(language)[claim["claim"]][-1]
        links = re.findall(r"\((\d\d_\w+)\.ipynb#cell-id=([^)]*)\)", tested)
        assert [stem for stem, _ in links] == [stem for stem, _ in claim["sections"]]
        for (stem, cell_id), (_, number) in zip(links, claim["sections"], strict=True):
            (cell,) = (cell for cell in notebook(stem).cells if cell.get("id") == cell_id)
            assert language in cell.metadata.tags
            assert HEADING.search(cell.source)[1].startswith(f"{number} ")
