"""fairseq's epoch iterator over planned batches: one epoch is one pass, its length exact."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from fairseq.data import LanguagePairDataset, iterators

from autoassist_fairseq.assistant.policies.rules import End
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.plugin import decay, state
from autoassist_fairseq.plugin.announcing import (
    announce,
    announce_hopeless,
    ends_before_finding,
    ends_before_opening,
    ends_before_skipping,
)
from autoassist_fairseq.plugin.border import one_sentence
from autoassist_fairseq.plugin.feedback import Collector
from autoassist_fairseq.plugin.loading import Spread, load
from autoassist_fairseq.plugin.metrics import UpdateLog
from autoassist_fairseq.plugin.sampler import ORDER, TICKET, PlannedSampler
from autoassist_fairseq.plugin.weighting import add_weights
from autoassist_fairseq.schedule.folder import Folder
from autoassist_fairseq.schedule.passes import Pass
from autoassist_fairseq.schedule.plan import Plan
from autoassist_fairseq.schedule.planner import UNKNOWN, Planner
from autoassist_fairseq.schedule.rebase import rebase
from autoassist_fairseq.schedule.worker import Worker

logger = logging.getLogger(__name__)

NOWHERE = End()


class AutoAssistIterator(iterators.EpochBatchIterating):  # type: ignore[misc]
    """Trains on what the Assistant plans; its state is the only one that fairseq restores.

    Args:
        dataset: the training set.
        planner: plans its pairs.
        spread: how training is spread over processes.
        epoch: the first epoch, from 1.
        asked: whether hopeless pairs are looked for because the user said so.
        end: where fairseq ends training, whatever the Assistant is told.
        anew: whether fairseq counts updates from 0, though the Assistant goes on.
        counted: whether its checkpoints will hold how many updates fairseq has counted.
    """

    def __init__(
        self,
        dataset: LanguagePairDataset,
        planner: Planner,
        spread: Spread,
        epoch: int = 1,
        asked: bool = False,
        end: End = NOWHERE,
        anew: bool = False,
        counted: bool = True,
    ) -> None:
        self.dataset, self.spread = dataset, spread
        self.settings, self.epoch = planner.settings, epoch
        self.worker = Worker(planner, spread.rank, self.settings.timeout)
        self.collector = Collector(spread.ranks, self.worker.assistant_queue.put)
        self.log = UpdateLog(self.settings.hopeless != "off")
        self._sampler = PlannedSampler(self._next_plan, spread.rank, spread.ranks)
        self._pad = dataset.tgt_dict.pad()
        self._current: iterators.CountingIterator | None = None
        self._asked, self._end, self._anew, self._counted = asked, end, anew, counted
        self._restored, self._warned, self._begun = False, False, 0

    def turn_to(self, dataset: LanguagePairDataset, folder: Folder) -> None:
        """Train on ``dataset``, the next of several folders: the same run, other pairs."""
        self.settle()
        self.worker.attempt(lambda: self.planner.turn_to(folder))
        self.dataset = dataset

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
        micros = self.spread.update_freq(self.epoch)
        now = self._begin(micros * self.spread.ranks)
        self._begun = self.planner.updates_before + self.planner.learned
        self._sampler.begin(self.planner.learned, now.updates, micros)
        window = self.planner.next_window
        self.worker.start()
        self._current = iterators.CountingIterator(
            self._ticketed(load(self.dataset, self._sampler, now, window, self.spread)),
            start=self.planner.learned * micros,
            total=now.updates * micros,
        )
        return self._current

    def _begin(self, group: int) -> Pass:
        if self._restored:
            self._restored = False
        else:
            progress = decay.progress(self.epoch - 1)
            self.worker.attempt(lambda: self.planner.begin_pass(self.epoch, group, progress))
        now = self.planner.current
        assert now is not None
        announce(now, len(self.planner.folder.ids), self.planner.learned)
        self._warn_of_the_end(now)
        self.worker.attempt(lambda: announce_hopeless(self.planner))
        return now

    def _warn_of_the_end(self, now: Pass) -> None:
        """Warn, once, of what this run is too short for."""
        if self._warned:
            return
        self._warned = True
        skipping = ends_before_skipping(self.settings, now, self._end)
        finding = ends_before_finding(self.planner, now, self._end) if self._asked else ""
        opening = ends_before_opening(self.planner, now, self._end, decay.finite_budget())
        for told in filter(None, (skipping, finding, opening)):
            logger.warning(told)

    def _next_plan(self) -> tuple[Plan, float]:
        return self.worker.next_plan()

    def _ticketed(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yield the collated batches, each with the ticket that the sampler made for it."""
        while (sample := self._advance(batches)) is not None:
            seen = self._sampler.tickets.popleft()
            sample[TICKET] = seen.ticket
            if seen.weights is not None:
                lengths = sample["target"].ne(self._pad).sum(-1).numpy()
                add_weights(sample, seen.weights[sample[ORDER].numpy()], lengths)
            self.log.saw(seen)
            yield sample

    @one_sentence
    def _advance(self, batches: Iterator[Any]) -> Any:
        return next(batches, None)

    def count_from(self, update: int) -> None:
        """Hear the number that fairseq gives an update: an Assistant may have begun later.

        Or fairseq counts anew (``--reset-optimizer``, or a checkpoint that holds no count), where
        the Assistant goes on.
        """
        if self.planner.started == UNKNOWN or update == 0 < self._begun:
            self.planner.started = update - self._begun

    def settle(self) -> None:
        """Hand on every loss, and wait until the Assistant has learned it; then its state rests."""
        self.collector.flush()
        self.worker.settle()

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
            # Where it is 0, fairseq forgets what it logged of the epoch.
            "iterations_in_epoch": 0 if ended else self.iterations_in_epoch,
            "shuffle": True,
            "counted": self._counted,
            "autoassist": state.save(self.planner, self.planner.folder.fits, self.settings),
        }

    @one_sentence
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was saved; without our part of it, begin its epoch afresh."""
        self.epoch = state_dict["epoch"]
        saved = state_dict.get("autoassist")
        if saved is None:
            logger.warning(
                "autoassist: this checkpoint holds no Assistant; it starts fresh, with the first "
                f"pair of epoch {self.epoch}"
            )
            return
        state.restore(
            self.planner, saved, self.planner.folder.fits, self.settings, self.spread.sharded
        )
        if self._anew or not state_dict.get("counted", True):
            # what the next pass goes by, before an update of it comes
            learned = self.planner.learned if self.planner.current else 0
            self._begun = self.planner.updates_before + learned
            self.count_from(0)
        if self.planner.current is not None:
            self._go_on()

    def _go_on(self) -> None:
        """Deal the rest of the restored pass out anew; without one, the next pass comes."""
        group = self.spread.update_freq(self.epoch) * self.spread.ranks
        self.worker.attempt(lambda: rebase(self.planner, group))
        now = self.planner.current
        self._restored = now is not None and self.planner.learned < now.updates
        if self._restored:
            return
        few = (
            f"fewer pairs of epoch {self.epoch} are left than one update has batches ({group} = "
            "ranks x --update-freq)"
        )
        if self.settings.folders > 1:
            raise UserError(
                f"`--restore-file` must leave an update to do, but {few}; go on with as few ranks "
                "and as small an --update-freq as before until the next checkpoint."
            )
        logger.warning(f"autoassist: {few}: they are left out, and the next one begins")
        self.epoch += 1
