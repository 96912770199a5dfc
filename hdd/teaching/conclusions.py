"""Conclusions that check themselves: a sentence that depends on a run is backed by a line.

`python3 run.py seeds 7 23 101` runs the notebooks with other seeds and says which hold how often.
"""

import re
from collections.abc import Iterable
from typing import Any

from hdd.arguments import checked

_YES, _NO = "✓ 成立 / holds", "✗ 这次不成立 / does not hold in this run"
_LINE = re.compile(rf"^({re.escape(_YES)}|{re.escape(_NO)}): (.+)$", flags=re.M)


@checked
def holds(name: str, condition: Any) -> None:
    """Print whether a conclusion of the text holds in this run.

    Args:
        name: the conclusion in a few English words, one line, unique in its notebook.
        condition: anything with one truth value, such as a comparison of two accuracies.

    Raises:
        ValueError: a name that is empty or of several lines.
    """
    if not name.strip() or "\n" in name:
        raise ValueError(f"name={name!r} must be one line. Fix: 'Mixer above ResNet', say.")
    print(f"{_YES if condition else _NO}: {name}")


def conclusions_in(texts: Iterable[str]) -> dict[str, bool]:
    """Return what `holds` has printed: each conclusion's name, and whether it held."""
    lines = (line for text in texts for line in _LINE.findall(text))
    return {name: verdict == _YES for verdict, name in lines}
