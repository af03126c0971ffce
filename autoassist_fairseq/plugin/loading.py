"""How batches are loaded: a stock DataLoader over planned batches, its prefetch held in check."""

from __future__ import annotations

import logging
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
        loader = iterators.BufferedIterator(buffered, Sized(loader, len(sampler)))
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


class Sized:
    """An iterable with a length of its own: fairseq's buffer stops there."""

    def __init__(self, iterable: Any, length: int) -> None:
        self._iterable, self._length = iterable, length

    def __iter__(self) -> Iterator[Any]:
        return iter(self._iterable)

    def __len__(self) -> int:
        return self._length
