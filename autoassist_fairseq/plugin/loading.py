"""How batches are loaded: a stock DataLoader over planned batches, its prefetch held in check."""

from __future__ import annotations

import atexit
import contextlib
import logging
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from fairseq.data import LanguagePairDataset, iterators

from autoassist_fairseq.plugin.sampler import OrderedCollater, PlannedSampler
from autoassist_fairseq.schedule.passes import Pass

logger = logging.getLogger(__name__)

# Batches that a DataLoader worker fetches ahead.
PREFETCH_FACTOR = 2
# fairseq's own upper limit for --data-buffer-size.
LARGEST_BUFFER = 20
JOIN_SECONDS = 2.0


@dataclass(frozen=True)
class Spread:
    """How training is spread over processes.

    Attributes:
        rank, ranks: place of this process in data-parallel training.
        update_freq: epoch (from 1) -> micro-batches per update.
        num_workers, buffer_size: of the data loading, as fairseq's options say.
        sharded: whether ``DATA`` names several directories, one for each epoch in turn.
    """

    rank: int
    ranks: int
    update_freq: Callable[[int], int]
    num_workers: int = 0
    buffer_size: int = 0
    sharded: bool = False


def load(
    dataset: LanguagePairDataset, sampler: PlannedSampler, now: Pass, window: int, spread: Spread
) -> Iterator[Any]:
    """Return an iterator over the collated batches of ``sampler``.

    Args:
        dataset: the training set.
        sampler: the batches to load.
        now: the pass that they belong to.
        window: the next window that is to be planned.
        spread: how many workers and buffered batches are asked for.
    """
    workers, buffered = allowed_prefetch(now, window, spread)
    loader: Any = torch.utils.data.DataLoader(
        dataset,
        collate_fn=OrderedCollater(dataset.collater),
        batch_sampler=sampler,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=PREFETCH_FACTOR if workers else None,
    )
    if buffered:
        loader = Buffer(buffered, Stoppable(loader, len(sampler)))
    return iter(loader)


def allowed_prefetch(now: Pass, window: int, spread: Spread) -> tuple[int, int]:
    """Return (workers, buffered batches) such that prefetch stays within one window.

    Asking further ahead would wait for a plan that waits for losses that the asking thread brings.
    """
    micros = now.group // spread.ranks
    room = max(0, now.least_updates(window) - 3) * micros
    fits = min(spread.num_workers, room // PREFETCH_FACTOR)
    if fits < spread.num_workers:
        logger.info(
            f"autoassist: using {fits} of --num-workers {spread.num_workers}, as many as prefetch "
            "within one window"
        )
    buffered = min(spread.buffer_size, LARGEST_BUFFER, room - fits * PREFETCH_FACTOR)
    return fits, max(0, buffered)


class Stoppable:
    """An iterable with a length of its own, where fairseq's buffer stops, that can end early."""

    def __init__(self, iterable: Any, length: int) -> None:
        self._iterable, self._length = iterable, length
        self.stopped = False

    def __iter__(self) -> Iterator[Any]:
        for item in self._iterable:
            if self.stopped:
                return
            yield item

    def __len__(self) -> int:
        return self._length


class Buffer(iterators.BufferedIterator):  # type: ignore[misc]
    """fairseq's buffer, whose thread ends before Python does.

    Python stops the threads that still run when it exits wherever they are; within torch that
    aborts the process.
    """

    def __init__(self, size: int, iterable: Stoppable) -> None:
        super().__init__(size, iterable)
        _buffers[:] = [*filter(Buffer.runs, _buffers), self]

    def runs(self) -> bool:
        """Return whether the thread that fills the buffer runs."""
        return self._consumer is not None and self._consumer.is_alive()

    def close(self) -> None:
        """End the thread; one that waits for a plan may go on waiting, where it does no harm."""
        self._iterable.stopped = True
        due = time.monotonic() + JOIN_SECONDS
        while self.runs() and time.monotonic() < due:
            with contextlib.suppress(queue.Empty):
                self._queue.get(timeout=0.02)  # makes room, should it wait to put something


# Not weak: the threads outlive what holds the buffers when an error ends the program.
_buffers: list[Buffer] = []


@atexit.register
def _close_all() -> None:
    for buffer in _buffers:
        buffer.close()
