"""Timing that a busy machine disturbs least: alternating rounds, medians, CPU time."""

import statistics
import time
from collections.abc import Callable, Sequence


def alternating(
    tasks: Sequence[Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.thread_time,
) -> list[float]:
    """Return the median seconds of each task, taken in turn `rounds` times."""
    taken: list[list[float]] = [[] for _ in tasks]
    for task in tasks:
        task()
    for _ in range(rounds):
        for task, times in zip(tasks, taken, strict=True):
            started = clock()
            task()
            times.append(clock() - started)
    return [statistics.median(times) for times in taken]
