"""Timing that notebooks and the speed table share."""

import statistics
import time
from collections.abc import Callable

from hdd.arguments import check_positive_integers, checked
from hdd.device.utils import keep_freed_memory
from hdd.progress import progress

Timed = Callable[[], object]


@checked
def interleaved(calls: dict[str, Timed], rounds: int) -> dict[str, dict[str, float]]:
    """Return the median, fastest and slowest seconds of each call, one timed call a round.

    All share the memory settings of a training (`keep_freed_memory`). Two calls that are not timed
    come before each timed one: the memory that another call left is not what a training finds.
    """
    check_positive_integers(rounds=rounds)
    keep_freed_memory()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in progress(range(rounds), "Rounds"):
        for name, call in calls.items():
            call(), call()
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {
        name: {"median": statistics.median(t), "min": min(t), "max": max(t)}
        for name, t in seconds.items()
    }
