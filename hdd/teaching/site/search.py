"""The index that a page searches: every section's text, small enough to be looked through."""

import html
import re
from collections.abc import Iterator
from html.entities import html5

from hdd.teaching.site.markup import plain

SPLIT = re.compile(r'(?=<h[1-3] id="[^"]+">|<div id="term-)')
START = re.compile(
    r'<(?:h[1-3] id="(?P<id>[^"]+)">(?P<heading>.*?)</h[1-3]>'
    r'|div id="(?P<term>[^"]+)"><dt>(?P<name>[^<]*))',
    re.S,
)
DRAWING = re.compile(r'<details class="source">.*?</details>', re.S)
MATH = re.compile(r'<span class="math[^"]*">(.*?)</span>', re.S)
FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
END = re.compile(r"(?=</(?:dt|dd|td|th|li|p|summary|caption)>)")  # what follows is another word
# Of TeX's commands those that change how letters look, and some whose names HTML does not know.
LOOKS = re.compile(
    r"\\(math\w+|text\w*|operatorname|bar|hat|tilde|left|right|[bB]ig+[lr]?|begin|end|q?quad)\b"
)
NAMES = {"cdot": "·", "to": "→", "longrightarrow": "⟶", "leftarrow": "←", "le": "≤", "ge": "≥"}


def entries(name: str, title: str, body: str) -> Iterator[list[str]]:
    """Yield [page, anchor, title of the page, heading, text] for each section of a page."""
    page = MATH.sub(lambda found: readable(found[1]), DRAWING.sub("", body))
    page = END.sub(" ", page)
    for part in SPLIT.split(page):
        found = START.match(part)
        if found:
            text = plain(part[found.end() :])
            anchor, heading = (found["id"] or found["term"], found["heading"] or found["name"])
            yield [name, anchor, plain(title), plain(heading), text]


def readable(tex: str) -> str:
    """Return a formula, as it stands in HTML, as one would type it: W_1, S/2, σ, 2·D_S."""
    text = FRACTION.sub(r" \1/\2 ", html.unescape(tex))
    text = LOOKS.sub("", text)
    text = re.sub(r"\\([A-Za-z]+)", lambda found: _symbol(found[1]), text)
    return html.escape(" ".join(re.sub(r"\\.|[{}&]", "", text).split()))


def _symbol(name: str) -> str:
    return NAMES.get(name) or html5.get(f"{name};", name)
