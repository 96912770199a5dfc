"""What an exercise consists of; `nb02.py` holds those of notebook 02, and so on."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Exercise:
    """One exercise; texts for readers are "中文 | English".

    Args:
        id: notebook and number, such as "02.1".
        title: a few words.
        name: what the student's code defines: a function, a class, or a number.
        stub: the code that stands in the notebook, with `...` where the student writes.
        test: gets the answer and raises `Wrong`, or returns None; see `diagnosis.py`.
        hints: three, each saying more than the one before; `code` in backquotes.
        solution: code that takes the stub's place.
        wrong: typical mistakes by name: (code, words of the diagnosis in Chinese, in English).
        note: for whoever teaches: what to watch for.
        given: code that stub, solution and mistakes rely on, besides torch, nn and functional.
    """

    id: str
    title: str
    name: str
    stub: str
    test: Callable[[Any], str | None]
    hints: tuple[str, str, str]
    solution: str
    wrong: Mapping[str, tuple[str, str, str]]
    note: str
    given: str = field(default="")


def find(number: str) -> Exercise:
    """Return the exercise with this number.

    Raises:
        ValueError: no such exercise; the message says which there are.
    """
    known = _beside(number)
    if number not in known:
        known = known or _beside(f"0{number}")  # "2.1" means "02.1"
        meant = [f"0{number}"] if f"0{number}" in known else list(known)
        fix = f"one of {', '.join(meant)}" if meant else "notebook and number, such as '02.1'"
        raise ValueError(f"number={number!r} is no exercise. Fix: {fix}.")
    return known[number]


def _beside(number: str) -> dict[str, Exercise]:
    """Return the exercises of the notebook in which this one would be, by their numbers."""
    try:
        return {one.id: one for one in exercises(number.split(".")[0])}
    except ModuleNotFoundError:
        return {}


def exercises(notebook: str) -> list[Exercise]:
    """Return the exercises of a notebook, such as "02", in order."""
    return importlib.import_module(f"{__package__}.nb{notebook}").EXERCISES
