"""Checks for the exercises at the end of a notebook."""

from collections.abc import Callable
from typing import Any

import torch


def check(name: str, answer: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """Say whether `answer` is right, without giving the solution away.

    An untouched exercise (`answer` is None, or a function that returns None) is no error, so that
    a notebook still runs from top to bottom.

    Args:
        name: of the exercise, for the message.
        answer: what the student gave: a number, a tensor, or a function without arguments.
        expected: a number or tensor, or a function without arguments that computes it.
        tolerance: largest absolute difference that counts as equal.
    """
    value = answer() if isinstance(answer, Callable) else answer
    if value is None:
        print(f"{name}: 还没有作答 / not answered yet")
        return
    target = torch.as_tensor(expected() if isinstance(expected, Callable) else expected)
    try:
        value = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        print(f"{name}: ✗ 需要数字或张量 / a number or a tensor is needed, got {type(value)}")
        return
    if value.shape != target.shape:
        shapes = f"{tuple(value.shape)}, {tuple(target.shape)}"
        print(f"{name}: ✗ 形状不对 / wrong shape (yours, wanted): {shapes}")
    elif (value.double() - target.double()).abs().max() <= tolerance:
        print(f"{name}: ✓ 正确 / correct")
    else:
        print(f"{name}: ✗ 再想想 / not yet, think again")
