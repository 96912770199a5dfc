"""Conclusions that check themselves: a sentence that depends on a run is backed by a line.

`python3 run.py seeds 7 23 101` runs the notebooks with other seeds and says which hold how often.
"""

import re
from collections.abc import Iterable
from typing import Any

from hdd.arguments import checked, shown
from hdd.teaching.language import split, tell

_YES, _NO = ("成立", "holds"), ("这次不成立", "does not hold in this run")
_LINE = re.compile(rf"^[✓✗] ({_YES[1]}|{_NO[1]}): (.+)$", flags=re.M)


@checked
def holds(name: str, condition: Any) -> None:
    """Display whether a conclusion of the text holds in this run.

    Args:
        name: the conclusion in a few words, "中文 | English", unique in its notebook.
        condition: anything with one truth value, such as a comparison of two accuracies.

    Raises:
        ValueError: a name that is empty or of several lines.
    """
    if not name.strip() or "\n" in name:
        raise ValueError(
            f"name={name!r} must be one line. Fix: 'Mixer 高于 ResNet | Mixer above ResNet', say."
        )
    try:
        held = bool(condition)
    except (RuntimeError, ValueError) as error:  # of tensors and arrays with several values
        raise ValueError(
            f"condition={shown(condition)} has several truth values. Fix: its .all() or .any()."
        ) from error
    chinese, english = split(name)
    words = _YES if held else _NO
    tell("✓" if held else "✗", f"{words[0]}：{chinese}", f"{words[1]}: {english}")


def conclusions_in(texts: Iterable[str]) -> dict[str, bool]:
    """Return what `holds` has displayed: each conclusion's English name, and whether it held."""
    lines = (line for text in texts for line in _LINE.findall(text))
    return {name: verdict == _YES[1] for verdict, name in lines}
