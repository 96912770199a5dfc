"""Numbers in the text of the notebooks: the same in both languages, and those that were printed.

A number with decimals, or of four digits and more, has to stand in an output of its notebook, in
one of a notebook that the same cell links to, or be of the kinds below.
"""

import html
import re
from functools import cache

import pytest
from course_notebooks import CODE_OR_FORMULA, PATHS, VERDICTS, pairs, read

# Cells with numbers from the literature, from records, or worked out in the text itself.
QUOTED = {
    *("00 explorer", "03 official-see", "05 paper-see", "11 paper", "14 detect-read", "15 frame"),
    *("04 newton", "07 by-hand-see", "10 sweep", "10 signal", "15 many"),
    *("05 cifar", "06 compute", "06 compute-points", "13 study", "14 detect", "16 auc"),
    *("16 null", "16 recursion", "17 exercises"),
}
ADDRESS = re.compile(r"\]\([^)]*\)|https?://\S+|\d{4}\.\d{5}|<[^>]*>")
NUMBER = re.compile(r"(?<![\w.])\d+(?:[,\u202f ]\d{3})*(?:\.\d+)?(?:e-?\d+)?")
UNITS = {"万": 1e4, "亿": 1e8, "thousand": 1e3, "million": 1e6, "billion": 1e9}
WITH_UNIT = re.compile(rf"({NUMBER.pattern}) ?({'|'.join(UNITS)})")


def digits(text):
    return re.sub(r"[,\u202f ]", "", text)


def numbers(text):
    """Return the numbers of a text as they are written, but for years and what is no value."""
    found = [digits(number) for number in NUMBER.findall(text)]
    return [n for n in found if "." in n or (len(n) > 3 and not 1900 < int(float(n)) < 2100)]


def prose(cell):
    return CODE_OR_FORMULA.sub(" ", ADDRESS.sub(" ", cell.source))


def values(text):
    """Return the numbers of a text as values, but for round ones: they may stand in words."""
    text = WITH_UNIT.sub(lambda m: f" {float(digits(m[1])) * UNITS[m[2]]:.0f} ", text)
    found = sorted(float(number) for number in numbers(text))
    return [value for value in found if f"{value:.0e}" != f"{value:.3e}".replace(".000", "")]


@cache
def printed(path):
    """Return the values in a notebook's outputs, and the constants in its code."""
    texts = []
    for cell in read(path).cells:
        if cell.cell_type == "code":
            texts.append(cell.source)
            for output in cell.outputs:
                texts += [output.get("text", ""), output.get("data", {}).get("text/plain", "")]
                page = output.get("data", {}).get("text/html", "")
                texts.append(re.sub(r"<[^>]*>", " ", re.sub(r'base64,[^"]*', "", page)))
    text = html.unescape(" ".join(texts))
    return {float(digits(number)) for number in NUMBER.findall(text)}


@cache
def rounded(path, places):
    """Return the values of `printed`, and the same as percentages, rounded."""
    return {round(factor * value, places) for value in printed(path) for factor in (1, 100)}


def stands_in(number, path):
    """Tell whether a notebook printed a number, more precisely or as a percentage."""
    places = len(number.partition(".")[2]) if "e" not in number else 9
    return float(number) in rounded(path, places)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_both_languages_have_the_same_numbers(path):
    for chinese, english in pairs(path):
        assert values(prose(chinese)) == values(prose(english)), english.id


def sources(path, cell):
    """Return the notebooks whose outputs a cell may quote."""
    if path.stem == VERDICTS:
        return PATHS
    linked = re.findall(r"\]\((\d\d_\w+\.ipynb)", cell.source)
    return [path, *(path.with_name(name) for name in linked)]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_numbers_in_the_text_were_printed(path):
    for pair in pairs(path):
        for cell in pair:
            place = f"{path.stem[:2]} {cell.id.removeprefix('zh-').removeprefix('en-')}"
            if place in QUOTED or "references" in place:
                continue
            for number in numbers(prose(cell)):
                printed_there = any(stands_in(number, source) for source in sources(path, cell))
                assert printed_there, f"{place}: {number}"
