"""How batches are loaded: a stock DataLoader over planned batches, its prefetch held in check."""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from fairseq.data import LanguagePairDataset

from autoassist_fairseq.plugin.sampler import OrderedCollater, PlannedSampler
from autoassist_fairseq.schedule.passes import Pass

logger = logging.getLogger(__name__)

# Batches that a DataLoader worker fetches ahead, at least.
PREFETCH_FACTOR = 2
# fairseq's own upper limit for --data-buffer-size.
LARGEST_BUFFER = 20
_PR_SET_PDEATHSIG = 1


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
    workers, ahead = allowed_prefetch(now, window, spread)
    loader: Any = torch.utils.data.DataLoader(
        dataset,
        collate_fn=OrderedCollater(dataset.collater),
        batch_sampler=sampler,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=ahead or None,
        worker_init_fn=functools.partial(end_with_the_parent, os.getpid()),
    )
    return iter(loader)


def end_with_the_parent(parent: int, _worker: int) -> None:
    """Have Linux end this loading process when the process ``parent``, which trains, is killed.

    PyTorch's own watch compares with the parent that there is when a loading process has started:
    if that was killed meanwhile, the process would stay for ever.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # killed before it was watched
        os._exit(1)


def allowed_prefetch(now: Pass, window: int, spread: Spread) -> tuple[int, int]:
    """Return (workers, batches that each fetches ahead) such that all stay within one window.

    Asking further ahead would wait for a plan that waits for losses that the asking thread brings.
    What fairseq would buffer in a thread, the workers fetch ahead; without workers, nothing is.
    """
    micros = now.group // spread.ranks
    room = max(0, now.least_updates(window) - 3) * micros
    workers = min(spread.num_workers, room // PREFETCH_FACTOR)
    if workers < spread.num_workers:
        logger.info(
            f"autoassist: using {workers} of --num-workers {spread.num_workers}, as many as "
            "prefetch within one window"
        )
    if not workers:
        return 0, 0
    buffered = min(spread.buffer_size, LARGEST_BUFFER) + workers * PREFETCH_FACTOR
    return workers, min(buffered, room) // workers
