"""Medians of repeats, in CPU seconds of this thread: other work on the machine counts least."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def cpu_seconds(work: Callable[[T], object], inputs: Sequence[T], repeats: int = 3) -> float:
    """Return the median CPU seconds of ``work`` over ``inputs``, after one warm-up."""
    work(inputs[0])
    seconds = []
    for item in (*inputs,) * repeats:
        begin = time.thread_time()
        work(item)
        seconds.append(time.thread_time() - begin)
    return statistics.median(seconds)
