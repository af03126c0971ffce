"""Map a function over blocks in worker processes, in order and with bounded memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from typing import TypeVar

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.child import end_with_parent

# Blocks under way per worker: one being worked on, one waiting.
_AHEAD = 2

_A = TypeVar("_A")
_B = TypeVar("_B")


def blocks(items: Iterable[_A], size: int) -> Iterator[list[_A]]:
    """Cut ``items`` into lists of ``size``; the last may be shorter."""
    iterator = iter(items)
    while block := list(islice(iterator, size)):
        yield block


def ordered_map(
    function: Callable[[_A], _B], items: Iterable[_A], workers: int
) -> Generator[_B, None, None]:
    """Yield ``function(item)`` in the order of ``items``, from ``workers`` processes.

    At most two items per worker are under way, however long ``items`` is. One worker means this
    process. ``function`` must be picklable.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    # Not forked: the caller may hold threads (progress bars, sentencepiece).
    context = multiprocessing.get_context("spawn")
    initialise = partial(_initialise, os.getpid())
    try:
        with ProcessPoolExecutor(workers, context, initializer=initialise) as pool:
            yield from _submitted(pool, function, items, _AHEAD * workers)
    except BrokenProcessPool as error:
        raise UserError(
            f"A worker process ended unexpectedly, perhaps for lack of memory; `--workers` is "
            f"{workers}: try fewer."
        ) from error


def _initialise(parent: int) -> None:
    # Ctrl-C reaches the whole group of processes; it is for the one that waits for the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(parent)


def _submitted(
    pool: ProcessPoolExecutor, function: Callable[[_A], _B], items: Iterable[_A], ahead: int
) -> Iterator[_B]:
    pending: deque[Future[_B]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
