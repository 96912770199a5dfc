"""What networks check their arguments with: each message names argument, value, rule and fix."""

import math
from collections.abc import Sequence
from numbers import Integral, Real


def check_positive_integers(**values: int) -> None:
    """Raise ValueError unless every value is a whole number of at least 1."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name}={value!r} must be a positive integer. Fix: {name}=1 or more.")


def check_dropout(dropout: float) -> None:
    """Raise ValueError unless `dropout` is a probability below 1."""
    if isinstance(dropout, bool) or not isinstance(dropout, Real) or not 0 <= dropout < 1:
        raise ValueError(
            f"dropout={dropout!r} is outside [0, 1). Fix: 0.0 drops nothing, 0.1 a tenth."
        )


def check_image_size(image_size: int | tuple[int, int], patch_size: int) -> tuple[int, int]:
    """Return (height, width), each a positive multiple of `patch_size`."""
    whole = isinstance(image_size, Sequence) and not isinstance(image_size, str)
    pair = tuple(image_size) if whole else (image_size, image_size)
    if len(pair) != 2:
        raise ValueError(
            f"image_size={image_size!r} must be one integer or (height, width). "
            "Fix: image_size=32 or image_size=(32, 48), without the channels."
        )
    for side in pair:
        check_positive_integers(image_size=side)
        if side % patch_size:
            divisors = [p for p in range(1, min(pair) + 1) if not (pair[0] % p or pair[1] % p)]
            raise ValueError(
                f"image_size={image_size} is not divisible by patch_size={patch_size}: "
                "whole patches must tile the image. Fix: a patch_size of "
                f"{divisors}, or resize or pad the images."
            )
    return pair


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
            f"{name}={factor!r} must be a finite number. Fix: {name}=0.5, or {part}_dim=1 or more."
        )
    if int(features * factor) < 1:
        least = math.ceil(10_000 / features) / 10_000
        raise ValueError(
            f"{name}={factor} gives no hidden unit: int({features} * {factor}). "
            f"Fix: {name}={least} or more, or {part}_dim=1 or more."
        )
    return int(features * factor)
