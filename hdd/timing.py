"""Timing that notebooks and the speed table share."""

import statistics
import time
from collections.abc import Callable, Sequence

from hdd.device.utils import keep_freed_memory
from hdd.progress import progress

Timed = Callable[[], object]


def interleaved(
    calls: dict[str, Timed], rounds: int, untuned: Sequence[str] = ()
) -> dict[str, dict[str, float]]:
    """Return the median, fastest and slowest seconds of each call, one timed call a round.

    The allocator belongs to the process, so it is set before each call: glibc as it comes for
    those named in `untuned`, ours for the others. Two calls that are not timed then fill it: after
    one, a step still meets a few thousand page faults, which a training meets in its first steps.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in progress(range(rounds), "Rounds"):
        for name, call in calls.items():
            keep_freed_memory(name not in untuned)
            call(), call()
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    keep_freed_memory()
    return {
        name: {"median": statistics.median(t), "min": min(t), "max": max(t)}
        for name, t in seconds.items()
    }
