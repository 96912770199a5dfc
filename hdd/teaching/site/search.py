"""The index that a page searches: every section's text, small enough to be looked through."""

import re
from collections.abc import Iterator

from hdd.teaching.site.markup import plain

SPLIT = re.compile(r'(?=<h[1-3] id="[^"]+">)')
START = re.compile(r'<h[1-3] id="([^"]+)">(.*?)</h[1-3]>', re.S)
DRAWING = re.compile(r'<details class="source">.*?</details>', re.S)


def entries(name: str, title: str, body: str) -> Iterator[list[str]]:
    """Yield [page, anchor, title of the page, heading, text] for each section of a page."""
    for part in SPLIT.split(DRAWING.sub("", body)):
        found = START.match(part)
        if found:
            text = plain(part[found.end() :])
            yield [name, found[1], plain(title), plain(found[2]), text]
