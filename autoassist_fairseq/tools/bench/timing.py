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
    return statistics.median(once(work, item) for _ in range(repeats) for item in inputs)


def once(work: Callable[[T], object], item: T) -> float:
    """Return the CPU seconds of one call."""
    begin = time.thread_time()
    work(item)
    return time.thread_time() - begin
