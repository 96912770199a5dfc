"""Conclusions that check themselves: a sentence that depends on a run is backed by a line.

`python3 run.py seeds 7 23 101` runs the notebooks with other seeds and says which hold how often.
"""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from hdd.arguments import checked, shown
from hdd.teaching.language import both, tell

_YES, _NO = ("成立", "holds"), ("这次不成立", "does not hold in this run")
_LINE = re.compile(rf"^[✓✗] ({_YES[1]}|{_NO[1]}): (.+)$", flags=re.M)


@checked
def holds(name: str, condition: Any) -> None:
    """Display whether a conclusion of the text holds in this run.

    Args:
        name: the conclusion in a few words, "中文 | English", unique in its notebook.
        condition: True or False, such as a comparison of two accuracies; a tensor or an array may
            hold it. A number is no verdict: NaN, say, would count as true.

    Raises:
        ValueError: a name that is empty, of several lines or in one language; another condition.
    """
    if not name.strip() or "\n" in name:
        raise ValueError(
            f"name={name!r} must be one line. Fix: 'Mixer 高于 ResNet | Mixer above ResNet', say."
        )
    (chinese, english), held = both(name, "name"), condition
    if isinstance(condition, torch.Tensor | np.ndarray):
        values = condition.flatten().tolist()
        held = values[0] if len(values) == 1 else None
    if not isinstance(held, bool):
        raise ValueError(
            f"condition={shown(condition)} must be True or False, one of them. "
            "Fix: a comparison such as a > b; of several values its .all() or .any()."
        )
    words = _YES if held else _NO
    tell("✓" if held else "✗", f"{words[0]}：{chinese}", f"{words[1]}: {english}")


def conclusions_in(texts: Iterable[str]) -> dict[str, bool]:
    """Return what `holds` has displayed: each conclusion's English name, and whether it held."""
    lines = (line for text in texts for line in _LINE.findall(text))
    return {name: verdict == _YES[1] for verdict, name in lines}
