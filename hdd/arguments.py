"""What functions check their arguments with: each message names argument, value, rule and fix."""

import contextlib
import functools
import inspect
import math
import re
import reprlib
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch

P, R = ParamSpec("P"), TypeVar("R")
MOST = 2**31 - 1  # of a count: more would not end
# What a message calls the values that fit an annotation, and an example of them.
WORDS = {
    bool: ("True or False", "True"),
    int: ("a whole number", "1"),
    float: ("a finite number", "0.5"),
    str: ("a text", "'...'"),
    Path: ("a path", "Path('.')"),
    Callable: ("a function", "its name, without brackets"),
    Iterable: ("something to iterate over", "a list or a loader"),
    Mapping: ("a dict", "{...}"),
    torch.Tensor: ("a tensor", "torch.tensor(...)"),
    torch.nn.Module: ("a network", "MLPMixer()"),
    torch.device: ("a device", "'cpu'"),
    torch.dtype: ("a dtype", "torch.float32"),
    torch.Generator: ("a generator", "torch.Generator().manual_seed(0)"),
    types.NoneType: ("None", "None"),
}


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function refuse arguments that do not fit its annotations, before it does anything.

    NumPy's numbers, and a tensor where a list of numbers is wanted, are passed on as Python's.
    What no annotation says, such as "positive", is left to the function. A constructor whose
    network does not fit into memory says so with its numbers.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # Not `function`: %autoreload puts an edited one here, and cannot reach into a closure.
        wrapped = call.__wrapped__
        bound = None
        with contextlib.suppress(TypeError):  # below, Python itself names function and argument
            bound = inspect.signature(wrapped).bind(*args, **kwargs)
        if bound is None:
            return wrapped(*args, **kwargs)
        bound.arguments.update(check_types(wrapped, bound.arguments))
        try:
            return wrapped(*bound.args, **bound.kwargs)
        except (RuntimeError, MemoryError) as error:
            if too_large := _too_large(wrapped, bound.arguments, error):
                raise too_large from error
            raise

    return call


def _too_large(built: Callable, values: Mapping[str, Any], error: Exception) -> MemoryError | None:
    """Return what a constructor's error says of its numbers, if memory is what it lacks."""
    numbers = [f"{n}={v}" for n, v in values.items() if isinstance(v, int) and v > 1]
    builds = built.__name__ == "__init__" or built.__name__.startswith("build")
    if not (builds and numbers and re.search("allocate|out of memory|MemoryError", repr(error))):
        return None
    return MemoryError(
        f"{', '.join(numbers)}: a network of this size needs more memory than there is. "
        "Fix: smaller numbers."
    )


def check_types(annotated: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values`, with Python's numbers for NumPy's, if they fit the annotations.

    Args:
        annotated: a function or a class.
        values: by name; one without an annotation may be anything.

    Raises:
        ValueError: a value of another type; the message names it, the rule and a fix.
    """
    hints, plain = _hints(annotated), {}
    for name, value in values.items():
        plain[name] = value = value.item() if isinstance(value, np.generic) else value
        if name not in hints:
            continue
        if not _fits(value, hints[name]):
            rule, example = _words(hints[name])
            raise ValueError(f"{name}={shown(value)} must be {rule}. Fix: {name}={example}.")
        numbers = get_origin(hints[name]) is Sequence and get_args(hints[name])[0] in (int, float)
        if numbers and hasattr(value, "tolist"):  # a tensor's items are no numbers of Python's
            plain[name] = value.tolist()
    return plain


def shown(value: Any) -> str:
    """Return a value as a message of one line can hold it."""
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim:
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    return " ".join(reprlib.repr(value).split())


@functools.cache
def _hints(annotated: Any) -> dict[str, Any]:
    """Return the annotations of arguments that have one value each."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(annotated).parameters.items()
    names = {name for name, parameter in parameters if parameter.kind not in several}
    return {name: hint for name, hint in get_type_hints(annotated).items() if name in names}


def _fits(value: Any, hint: Any) -> bool:
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if kind in (int, float):
        number = isinstance(value, Integral if kind is int else Real)
        return number and not isinstance(value, bool) and abs(value) < 2**63  # NaN is not
    if kind is Callable:
        return callable(value)
    if kind in (tuple, list, Sequence):
        return _is_sequence(value) and _items_fit(value, kind, inner)
    if kind is Iterable and isinstance(value, Collection):
        plain = isinstance(value, str | bytes) or getattr(value, "ndim", 1) == 0
        return not plain and _items_fit(value, kind, inner)
    return kind is Any or not isinstance(kind, type) or _is_one(value, kind)


def _is_one(value: Any, kind: type) -> bool:
    """Return whether a value is of a class, or looks like one of ours.

    Looks decide, since %autoreload makes a class anew, and readers write their own.
    """
    outside = next(base for base in kind.__mro__ if not base.__module__.startswith("hdd."))
    fields = () if outside is kind else getattr(kind, "__annotations__", ())
    return isinstance(value, outside) and all(hasattr(value, name) for name in fields)


def _is_sequence(value: Any) -> bool:
    """Return whether a value has items to go through; a text, a dict and a set have none here."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return value.ndim > 0 and not getattr(value, "is_meta", False)
    return isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping | set)


def _items_fit(value: Any, kind: type, inner: tuple[Any, ...]) -> bool:
    items = [item if getattr(item, "ndim", 1) else item.item() for item in value]  # 0-d: a number
    if kind is tuple and inner and inner[-1] is not Ellipsis:
        return len(items) == len(inner) and all(map(_fits, items, inner))
    return not inner or all(_fits(item, inner[0]) for item in items)


def _words(hint: Any) -> tuple[str, str]:
    """Return what to call the values that fit an annotation, and an example."""
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, types.UnionType):
        rules = [_words(one) for one in inner]
        return " or ".join(rule for rule, _ in rules), rules[0][1]
    if kind in (tuple, list, Sequence):
        fixed = kind is tuple and inner and inner[-1] is not Ellipsis
        rule, example = _words(inner[0]) if inner else ("any value", "...")
        many = f"{len(inner)} values" if fixed else "a list"
        return f"{many}, each {rule}", f"({', '.join([example] * (len(inner) if fixed else 2))})"
    if kind is Iterable and inner:
        rule, example = WORDS[Iterable]
        return f"{rule}, each item {_words(inner[0])[0]}", example
    name = getattr(kind, "__name__", str(kind))
    return WORDS.get(kind, (f"of the type {name}", f"{name}(...)"))


def check_positive_integers(**values: int) -> None:
    """Raise ValueError unless every value is a whole number of at least 1."""
    check_integers(1, **values)


def check_integers(low: int, high: int = MOST, **values: int) -> None:
    """Raise ValueError unless every value is a whole number from `low` to `high`."""
    for name, value in values.items():
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            rule = "a positive integer" if low == 1 else f"a whole number of at least {low}"
            rule += "" if whole and value < low else f", at most {high:,}"
            raise ValueError(f"{name}={shown(value)} must be {rule}. Fix: {name}={low} or more.")


def check_range(low: float, high: float, **values: float) -> None:
    """Raise ValueError unless every value is a number from `low` to `high`."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:
            rule = f"a number from {low:g}" + (f" to {high:g}" if high < math.inf else "")
            raise ValueError(f"{name}={shown(value)} must be {rule}. Fix: {name}={low:g}.")


def check_choice(choices: Iterable[Any], **values: Any) -> None:
    """Raise ValueError unless every value is one of `choices`."""
    for name, value in values.items():
        if value not in (known := list(choices)):
            raise ValueError(f"{name}={shown(value)} is unknown. Fix: one of {known}.")


def check_indices(count: int, **tensors: torch.Tensor) -> None:
    """Raise ValueError unless every tensor holds whole numbers (N,) below `count`."""
    for name, tensor in tensors.items():
        if tensor.ndim != 1 or tensor.dtype not in (torch.int64, torch.int32):
            raise ValueError(
                f"{name}={tensor.dtype} {tuple(tensor.shape)} must be whole numbers (N,). "
                f"Fix: {name}=torch.arange({count})."
            )
        if not len(tensor) or tensor.device.type != "cpu":  # no wait for a GPU
            continue
        low, high = (int(value) for value in tensor.aminmax())
        if low < -count or high >= count:
            raise ValueError(
                f"{name} goes from {low} to {high}, but there are {count}. "
                f"Fix: {name} from 0 to {count - 1}."
            )


def check_whole(low: int, high: int, **tensors: torch.Tensor) -> None:
    """Raise ValueError unless every tensor holds whole numbers from `low` to `high` alone."""
    for name, tensor in tensors.items():
        fix = f"Fix: whole numbers from {low} to {high}, such as {name}.long() if they are."
        if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
            raise ValueError(f"{name}={tensor.dtype} {tuple(tensor.shape)} is not whole. {fix}")
        if not tensor.numel() or tensor.device.type != "cpu":  # no wait for a GPU
            continue
        least, most = (int(value) for value in tensor.aminmax())
        if least < low or most > high:
            raise ValueError(f"{name} goes from {least} to {most}. {fix}")


def check_shape(shape: str, **tensors: torch.Tensor) -> None:
    """Raise ValueError unless every tensor has the axes of `shape`, such as "(N, h, 3)".

    A letter stands for any length, and for the same one if it comes twice: "(S, S)" is square.
    """
    wanted = [length.strip() for length in shape.strip("()").split(",") if length.strip()]
    fixed = {length: int(length) for length in wanted if length.isdecimal()}
    for name, tensor in tensors.items():
        lengths = dict(zip(wanted, tensor.shape, strict=False)) | fixed
        if [lengths.get(length) for length in wanted] != list(tensor.shape):
            raise ValueError(f"{name} has the shape {tuple(tensor.shape)}. Fix: {name} of {shape}.")


def check_pixels(shape: str, images: torch.Tensor) -> None:
    """Raise ValueError unless `images` are uint8, with as many axes as `shape`."""
    check_shape(shape, images=images)
    if images.dtype != torch.uint8:
        raise ValueError(f"images are {images.dtype}. Fix: images of torch.uint8, 0 ... 255.")


def check_dropout(dropout: float) -> None:
    """Raise ValueError unless `dropout` is a probability below 1."""
    if isinstance(dropout, bool) or not isinstance(dropout, Real) or not 0 <= dropout < 1:
        raise ValueError(
            f"dropout={shown(dropout)} is outside [0, 1). Fix: 0.0 drops nothing, 0.1 a tenth."
        )


def check_image_size(image_size: int | tuple[int, int], patch_size: int) -> tuple[int, int]:
    """Return (height, width), each a positive multiple of `patch_size`."""
    check_positive_integers(patch_size=patch_size)
    whole = isinstance(image_size, Sequence) and not isinstance(image_size, str)
    pair = tuple(image_size) if whole else (image_size, image_size)
    if len(pair) != 2:
        raise ValueError(
            f"image_size={image_size!r} must be one integer or (height, width). "
            "Fix: image_size=32 or image_size=(32, 48), without the channels."
        )
    for side in pair:
        check_integers(1, 32_768, image_size=side)
        if side % patch_size:
            divisors = [p for p in range(1, min(pair) + 1) if not (pair[0] % p or pair[1] % p)]
            raise ValueError(
                f"image_size={image_size} is not divisible by patch_size={patch_size}: "
                "whole patches must tile the image. Fix: a patch_size of "
                f"{divisors}, or resize or pad the images."
            )
    return pair


def check_parameters(count: int, **values: Any) -> None:
    """Raise ValueError if the arguments `values` make so many parameters that memory ends."""
    if count > MOST:
        given = ", ".join(f"{name}={value}" for name, value in values.items())
        raise ValueError(
            f"{given} make {count:,} parameters, at most {MOST:,}. Fix: smaller numbers."
        )


def hidden_width(part: str, explicit: int | None, features: int, factor: float) -> int:
    """Return the hidden width of one MLP: the explicit one, or features * factor rounded down.

    Args:
        part: "token" or "channel", for the names of the arguments.
        explicit: `token_dim` or `channel_dim`.
        features: what the factor refers to, tokens or channels.
        factor: `expansion_factor_token` or `expansion_factor_channel`.
    """
    if explicit is not None:
        check_positive_integers(**{f"{part}_dim": explicit})
        return explicit
    name = f"expansion_factor_{part}"
    if isinstance(factor, bool) or not isinstance(factor, Real) or not math.isfinite(factor):
        raise ValueError(
            f"{name}={shown(factor)} must be a finite number. "
            f"Fix: {name}=0.5, or {part}_dim=1 or more."
        )
    if int(features * factor) < 1:
        least = math.ceil(10_000 / features) / 10_000
        raise ValueError(
            f"{name}={factor} gives no hidden unit: int({features} * {factor}). "
            f"Fix: {name}={least} or more, or {part}_dim=1 or more."
        )
    return int(features * factor)
