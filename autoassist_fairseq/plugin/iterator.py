"""fairseq's epoch iterator over planned batches: one epoch is one pass, its length exact."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import torch
from fairseq.data import LanguagePairDataset, iterators

from autoassist_fairseq.plugin.border import one_sentence
from autoassist_fairseq.plugin.feedback import Collector
from autoassist_fairseq.plugin.metrics import UpdateLog
from autoassist_fairseq.plugin.sampler import TICKET, OrderedCollater, PlannedSampler
from autoassist_fairseq.plugin.state import pack, unpack
from autoassist_fairseq.schedule.passes import Pass
from autoassist_fairseq.schedule.plan import Plan
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.worker import Worker
from autoassist_fairseq.settings import Settings

logger = logging.getLogger(__name__)

# Batches that a DataLoader worker fetches ahead.
PREFETCH_FACTOR = 2


class AutoAssistIterator(iterators.EpochBatchIterating):  # type: ignore[misc]
    """Trains on what the Assistant plans; its state is the only one that fairseq restores.

    Args:
        dataset: the training set.
        planner: plans its pairs.
        settings: of the run.
        rank, ranks: place of this process in data-parallel training.
        update_freq: epoch (from 1) -> micro-batches per update.
        num_workers, buffer_size: of the data loading, as fairseq's options say.
        epoch: the first epoch, from 1.
    """

    def __init__(
        self,
        dataset: LanguagePairDataset,
        planner: Planner,
        settings: Settings,
        rank: int,
        ranks: int,
        update_freq: Any,
        num_workers: int,
        buffer_size: int,
        epoch: int = 1,
    ) -> None:
        self.dataset, self.settings = dataset, settings
        self.ranks, self._update_freq = ranks, update_freq
        self._loading = num_workers, min(buffer_size, 20)
        self.epoch = epoch
        self.worker = Worker(planner, rank, settings.timeout)
        self.collector = Collector(ranks, self.worker.assistant_queue.put)
        self.log = UpdateLog()
        self._sampler = PlannedSampler(self._next_plan, rank, ranks)
        self._current: iterators.CountingIterator | None = None
        self._resumed = False

    @property
    def planner(self) -> Planner:
        """The work of the Assistant; rests only after `settle`."""
        return self.worker.planner

    def __len__(self) -> int:
        return len(self._current) if self._current is not None else 0

    @property
    def next_epoch_idx(self) -> int:
        """The epoch that `next_epoch_itr` will begin or go on with."""
        return self.epoch + (self._current is not None and self.end_of_epoch())

    @one_sentence
    def next_epoch_itr(
        self,
        shuffle: bool = True,
        fix_batches_to_gpus: bool = False,
        set_dataset_epoch: bool = True,
    ) -> iterators.CountingIterator:
        """Begin the next pass, or go on with the one that was restored."""
        self.epoch = self.next_epoch_idx
        if set_dataset_epoch:
            self.dataset.set_epoch(self.epoch)
        self.settle()
        micros = self._update_freq(self.epoch)
        now = self.planner.current if self._resumed else None
        if now is None:
            now = self.planner.begin_pass(self.epoch, self.ranks * micros)
            announce(now, len(self.planner.pairs.ids))
        self._resumed = False
        self._sampler.begin(self.planner.learned, now.updates)
        self.worker.start()
        self._current = iterators.CountingIterator(
            self._samples(now, micros),
            start=self.planner.learned * micros,
            total=now.updates * micros,
        )
        return self._current

    def _next_plan(self) -> tuple[Plan, float]:
        return self.worker.boss_queue.get(self.settings.timeout, self.worker.situation())

    def _samples(self, now: Pass, micros: int) -> Iterator[Any]:
        """Yield collated batches, each with its ticket."""
        workers, buffered = allowed_prefetch(now, micros, *self._loading)
        loader: Any = torch.utils.data.DataLoader(
            self.dataset,
            collate_fn=OrderedCollater(self.dataset.collater),
            batch_sampler=self._sampler,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            prefetch_factor=PREFETCH_FACTOR if workers else None,
        )
        if buffered:
            loader = iterators.BufferedIterator(buffered, Sized(loader, now.updates * micros))
        return self._ticketed(iter(loader))

    @one_sentence
    def _advance(self, batches: Iterator[Any]) -> Any:
        return next(batches, None)

    def _ticketed(self, batches: Iterator[Any]) -> Iterator[Any]:
        while (sample := self._advance(batches)) is not None:
            ticket, stats, updates, waited = self._sampler.tickets.popleft()
            sample[TICKET] = ticket
            self.log.saw(ticket, stats, updates, waited)
            yield sample

    def settle(self) -> None:
        """Hand on every loss, and wait until the Assistant has learned it; then its state rests."""
        self.collector.flush()
        self.worker.settle()

    def close(self) -> None:
        """Learn what is left, and end the thread."""
        self.settle()
        self.worker.close()

    def end_of_epoch(self) -> bool:
        """Return whether the pass has been trained on to its end."""
        return self._current is not None and not self._current.has_next()

    @property
    def iterations_in_epoch(self) -> int:
        """Micro-batches of the current pass that this rank has taken."""
        return self._current.n if self._current is not None else 0

    @property
    def first_batch(self) -> str:
        """Let fairseq take the first real batch as its dummy batch (we never need one)."""
        return "DUMMY"

    @one_sentence
    def state_dict(self) -> dict[str, Any]:
        """Return the whole state; called on rank 0 only, so nothing collective happens here."""
        self.settle()
        ended = self.end_of_epoch()
        return {
            "version": 2,
            "epoch": self.epoch + ended,
            "iterations_in_epoch": 0 if ended else self.iterations_in_epoch,
            "shuffle": True,
            "autoassist": pack(self.planner.state_dict()),
        }

    @one_sentence
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was saved; without our part of it, begin its epoch afresh."""
        self.epoch = state_dict["epoch"]
        saved = state_dict.get("autoassist")
        if saved is None:
            logger.warning(
                "autoassist: this checkpoint holds no Assistant; it starts fresh, with epoch "
                f"{self.epoch}"
            )
            return
        self.planner.load_state_dict(unpack(saved))
        self._resumed = self.planner.current is not None


class Sized:
    """An iterable with a length of its own (fairseq's buffer asks for it)."""

    def __init__(self, iterable: Any, length: int) -> None:
        self._iterable, self._length = iterable, length

    def __iter__(self) -> Iterator[Any]:
        return iter(self._iterable)

    def __len__(self) -> int:
        return self._length


def allowed_prefetch(now: Pass, micros: int, workers: int, buffered: int) -> tuple[int, int]:
    """Return (workers, buffered batches) such that prefetch stays within one window.

    Asking further ahead would wait for a plan that waits for losses that the asking thread brings.
    """
    room = (now.least_updates() - 3) * micros
    fits = min(workers, room // PREFETCH_FACTOR)
    if fits < workers:
        logger.info(f"autoassist: {fits} of {workers} data loading workers fit into a window")
    return fits, max(0, min(buffered, room - fits * PREFETCH_FACTOR))


def announce(now: Pass, pairs: int) -> None:
    """Log what a pass promises."""
    logger.info(
        f"autoassist: pass {now.index}: {pairs:,} pairs in {now.windows} windows of "
        f"{now.window_pairs:,}, {now.updates:,} updates of {now.group} batches, "
        f"{'keeping every pair' if now.keep_all else 'shrinking'}"
    )
