"""What several seeds say together: means and differences, with 95 % intervals of Student's t."""

import functools
import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from hdd.arguments import check_range, checked

NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)  # of Gauss's rule on [-1, 1]
FADED = 40  # beyond where a density has fallen by e ** FADED, nothing is left to integrate


@checked
def half_width(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of the mean of `values`.

    Raises:
        ValueError: fewer than two values, which say nothing about their spread.
    """
    values = list(map(float, values))
    if len(values) < 2:
        raise ValueError(f"values={values} has no spread. Fix: two seeds or more.")
    return _two_sided(0.05, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))


@checked
def summary(values: Sequence[float], digits: int = 2) -> dict[str, Any]:
    """Return what a record holds of several seeds: n, mean, 95 % interval, and the values.

    One value has no interval: it is None, so that whoever quotes the mean has to say n = 1.
    """
    if not len(values):
        raise ValueError("values is empty. Fix: the result of one seed or more.")
    mean, interval = statistics.mean(values), None
    if len(values) > 1:
        half = half_width(values)
        interval = [round(mean - half, digits), round(mean + half, digits)]
    rounded = [round(value, digits) for value in values]
    return {
        "n": len(values),
        "mean": round(mean, digits),
        "interval": interval,
        "values": rounded,
    }


@checked
def difference(first: Sequence[float], second: Sequence[float]) -> dict[str, Any]:
    """Return the mean of first - second, seed by seed, its 95 % interval and two-sided p.

    This is the paired t test: what both owe to a seed, such as its split and its order of images,
    cancels. So the k-th values must be of the same seed.

    Raises:
        ValueError: sides of different lengths, fewer than two values, or equal differences.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(
            f"first has {len(first)} values and second {len(second)}; they must be as many, two or "
            "more. Fix: the same seeds for both."
        )
    pairs = [float(a) - float(b) for a, b in zip(first, second, strict=True)]
    mean, half = statistics.mean(pairs), half_width(pairs)
    if not half:
        raise ValueError("first - second is the same for all seeds: no spread. Fix: other seeds.")
    error = statistics.stdev(pairs) / math.sqrt(len(pairs))
    p = _tails(abs(mean) / error, len(pairs) - 1)
    return {"mean": mean, "interval": [mean - half, mean + half], "p": p}


@checked
def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm, 1979), in the order given.

    The smallest is multiplied by their number m, the next by m - 1, and so on; none may become
    smaller than one before it, nor larger than 1.

    Raises:
        ValueError: a p-value outside 0 ... 1.
    """
    p_values = list(p_values)
    for p in p_values:
        check_range(0, 1, p_values=p)
    corrected, largest = [0.0] * len(p_values), 0.0
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def _tails(t: float, freedom: float) -> float:
    """Return the probability that |T| > t: with t = sqrt(freedom) tan(a), an integral of cosines.

    The density of the angle a is proportional to cos(a) ** (freedom - 1) on [-pi/2, pi/2].
    """
    angle = math.atan(t / math.sqrt(freedom))
    inner = _integral(0.0, angle, freedom - 1)
    outer = _integral(angle, math.pi / 2, freedom - 1)
    return outer / (inner + outer)  # not 1 - inner / ..., which loses small values


def _integral(low: float, high: float, power: float) -> float:
    """Return the integral of cos(a) ** power, by Gauss's rule on the part that counts."""
    if power:
        high = min(high, math.acos(math.cos(low) * math.exp(-FADED / power)))
    half = (high - low) / 2
    return half * float(WEIGHTS @ np.cos(low + half * (1 + NODES)) ** power)


@functools.lru_cache  # several means are of equally many values
def _two_sided(p: float, freedom: float) -> float:
    """Return the t with _tails(t) = p, by bisection."""
    low, high = 0.0, 1e4
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _tails(middle, freedom) > p else (low, middle)
    return high
