"""What several seeds say together: a mean with a 95 % interval of Student's t."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

# Two-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom.
QUANTILES = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


def half_width(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of the mean of `values`.

    Raises:
        ValueError: fewer than two values, which say nothing about their spread.
    """
    if len(values) < 2:
        raise ValueError(f"{len(values)} value has no spread. Fix: two seeds or more.")
    freedom = len(values) - 1
    quantile = QUANTILES[freedom - 1] if freedom <= len(QUANTILES) else 1.96 + 2.42 / freedom
    return quantile * statistics.stdev(values) / math.sqrt(len(values))


def summary(values: Sequence[float], digits: int = 2) -> dict[str, Any]:
    """Return what a record holds of several seeds: n, mean, 95 % interval, and the values.

    One value has no interval: it is None, so that whoever quotes the mean has to say n = 1.
    """
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
