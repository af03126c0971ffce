"""The Assistant's work without its thread: begin a pass, plan a window, learn from losses."""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.assistant import Assistant, Lesson
from autoassist_fairseq.assistant.policies.policy import Moment
from autoassist_fairseq.assistant.trivial.threshold import LARGEST_LOSS, LONGEST_HORIZON
from autoassist_fairseq.assistant.wrong.hopeless import policy_of
from autoassist_fairseq.schedule.batches import Batches
from autoassist_fairseq.schedule.folder import Folder
from autoassist_fairseq.schedule.messages import MISSING, Feedback
from autoassist_fairseq.schedule.order import Order
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.passes import SAMPLE, Pass
from autoassist_fairseq.schedule.plan import Plan, PlanStats, deal, pack_window
from autoassist_fairseq.schedule.planner_state import restore, state_of
from autoassist_fairseq.schedule.promise import batches_of_all, promise
from autoassist_fairseq.schedule.selection import Selection
from autoassist_fairseq.schedule.streams import DEAL, stream
from autoassist_fairseq.settings import Settings

Ints = NDArray[Any]

logger = logging.getLogger(__name__)

UNKNOWN = -1  # as states hold it

NO_EFFECT = (
    "autoassist: warm-up is over, but pass {} skipped no pair: the Assistant saves nothing; "
    "lower `--autoassist-base-prob`, or use `--autoassist-policy uniform`"
)
FELL_BACK = (
    "autoassist: the Assistant failed with {}; training goes on, every pair is kept from the next "
    "pass on, and the rest of this one, whose length is promised, is filled at random"
)


class Planner:
    """Plans windows from what the Assistant has learned up to the window before the last.

    Window w + 1 is planned while the Boss trains on w, from an Assistant that has learned all
    losses up to window w - 1 and none of w: asynchronous in time, deterministic in logic.
    All passes have one Assistant and one count, whatever folder they are over; what is remembered
    of pairs belongs to their folder.

    Args:
        folder: what the first pass is over.
        budget: what a batch may hold.
        settings: of the run.

    Attributes:
        trained: tokens trained on so far, in full passes.
        started: updates of the run before it began to plan; below 0: of those that it planned so
            many are not of this run, which counts anew; `UNKNOWN` = none has come yet.
        saved_budget: what a batch could hold where a restored state comes from.
        memories: what policies remember of the folders that are not at hand, by name.
    """

    def __init__(self, folder: Folder, budget: Budget, settings: Settings) -> None:
        horizon = min(LONGEST_HORIZON, max(1, len(folder.corpus) // 4))
        self.assistant = Assistant(folder.corpus, settings, horizon)
        self.folder, self.budget, self.settings = folder, budget, settings
        self.saved_budget = budget
        self.policy = policy_of(self.assistant, settings, folder.ids)
        self.selection = Selection(self.policy)
        self.memories: dict[str, Any] = {}
        self.trained, self.updates_before, self.started = 0.0, 0, UNKNOWN
        self.live: deque[Plan] = deque()
        self.current: Pass | None = None
        # Outlives a pass: the first plan of the next one reports what its last windows taught.
        self.lesson = Lesson()
        self._warned = False

    @property
    def failed(self) -> str:
        """Why the Assistant is no longer asked; "" while it is."""
        return self.selection.failed

    def turn_to(self, folder: Folder) -> None:
        """Plan the passes over ``folder`` from now on; between passes only."""
        if not self.failed:
            memories = {**self.memories, self.folder.name: self.policy.state_dict()}
            self.assistant.attach(folder.corpus)
            policy = policy_of(self.assistant, self.settings, folder.ids)
            if folder.name in memories:
                policy.load_state_dict(memories.pop(folder.name))
            self.policy = self.selection.policy = policy
            self.memories = memories
        self.folder = folder

    def begin_pass(self, index: int, group: int, progress: float = math.nan) -> Pass:
        """Promise the length of pass ``index`` (from 1) at ``group`` batches per update.

        ``progress`` is the share of training that is done, if that is known better than the
        settings say. Everything sent so far must be learned: the forecast rests on it.
        """
        before = self.updates_before + (self.current.updates if self.current else 0)
        if not self.failed:
            self.policy.begin(self._moment(index, group, before, progress))
            self._aim(index)
        now = promise(self.selection, self.folder, self.budget, self.settings, index, group)
        # All that may fail is over: from here on the planner changes.
        self.updates_before = before
        self.resume(now)
        return now

    def _aim(self, index: int) -> None:
        """Freeze what keeps ``--autoassist-keep`` of the target tokens of pass ``index``."""
        if self.settings.keep:
            pairs = Order(self.folder.ids, self.settings.seed, index)[:SAMPLE]
            self.policy.aim(pairs, self.folder.target_sizes[pairs], self.settings.keep)

    def _moment(self, index: int, group: int, before: int, progress: float = math.nan) -> Moment:
        """Return where training stands when pass ``index`` begins."""
        if math.isnan(progress):
            progress = self._progress(index, before)
        updates = 1.0
        if self.settings.warmup_updates:
            order = Order(self.folder.ids, self.settings.seed, index)
            updates = max(batches_of_all(order, self.folder, self.budget) / group, 1.0)
        least = group / len(self.folder.ids)
        return Moment(index, self.trained, progress, least, before, updates)

    def _progress(self, index: int, before: int) -> float:
        """Return the share of training that is done, by the end that comes first; NaN: unknown."""
        shares = [(index - 1) / self.settings.passes] if self.settings.passes else []
        if self.settings.updates:
            started = 0 if self.started == UNKNOWN else self.started
            done = max(before + min(started, 0), 0)
            shares.append(done / max(self.settings.updates - max(started, 0), 1))
        return max(shares, default=math.nan)

    def resume(self, begun: Pass) -> None:
        """Go on with ``begun``, of which nothing is planned yet."""
        self.current = begun
        self.next_window = self.learned = 0
        self.leftover = Batches.none()
        self.skipped = 0
        self.live.clear()

    def may_plan(self) -> bool:
        """Return whether a window is left, and everything that its plan rests on is learned."""
        if self.current is None or self.next_window >= self.current.windows:
            return False
        return self.learned >= self.current.learned_before(self.next_window)

    def plan_next(self) -> Plan:
        """Plan the next window."""
        now, window = self.current, self.next_window
        assert now is not None
        self.folder.corpus.check()
        considered, pairs = now.pairs_of(window), self.selection.candidates(now, window)
        source, target = self.folder.sizes(pairs)
        margin = self.selection.margin(now, window, pairs)
        quota = int(now.quotas[window])
        batches, kept = pack_window(pairs, source, target, margin, quota, self.budget)
        self.selection.note(now, window, pairs, margin, kept)
        pool = Batches.join(self.leftover, batches)
        rng = stream(DEAL, now.seed, now.index, window)
        dealt, leftover = deal(pool, now.group, window == now.windows - 1, rng)
        stats = self._stats(considered, target[kept])
        first = now.updates_through(window - 1)
        weights = self.selection.weights(dealt)
        plan = Plan(now.index, window, first, now.group, dealt, stats, weights)
        # All that may fail is over: from here on the planner changes.
        self.leftover, self.lesson = leftover, Lesson()
        self.next_window += 1
        self.trained += stats.kept_tokens / max(self.folder.target_tokens, 1)
        self.skipped += stats.considered - stats.kept
        self._warn_of_no_effect(now)
        if plan.updates:
            self.live.append(plan)
        return plan

    @property
    def _shrinks(self) -> bool:
        return self.settings.policy == "shrink" and not self.failed

    def fall_back(self, error: Exception) -> None:
        """Do without the Assistant from now on (``--autoassist-on-error continue``)."""
        self.selection.failed = f"{type(error).__name__}: {error}"
        logger.warning(FELL_BACK.format(self.failed))

    def _warn_of_no_effect(self, now: Pass) -> None:
        """Warn, once, when a pass that should have skipped pairs has skipped none."""
        ended = self.next_window == now.windows and self._shrinks
        if ended and now.warm == 0 and not self.skipped:
            if not self._warned:
                logger.warning(NO_EFFECT.format(now.index))
            self._warned = True

    def _stats(self, pairs: Ints, kept: Ints) -> PlanStats:
        """Return what is logged of a window: its ``pairs``, the target lengths of those kept."""
        considered, lesson = self.folder.target_sizes[pairs], self.lesson
        return PlanStats(
            considered=len(considered),
            kept=len(kept),
            considered_tokens=int(considered.sum(dtype=np.int64)),
            kept_tokens=int(kept.sum(dtype=np.int64)),
            accuracy=lesson.accuracy,
            majority=lesson.majority,
            learned=lesson.pairs,
            **self.selection.figures(pairs),
        )

    def learn(self, feedback: Feedback) -> None:
        """Learn the losses of the next update."""
        assert self.current is not None and feedback.update == self.learned, "in order, once"
        plan = self.live[0]
        pairs = np.concatenate(plan.update(feedback.update))
        if not self.failed:
            finite = np.isfinite(feedback.losses)
            losses = np.where(finite, np.minimum(feedback.losses, LARGEST_LOSS), MISSING)
            expected = self.assistant.expected(pairs)
            self.lesson += self.assistant.learn(pairs, losses, expected)
            self.policy.learn(pairs, losses, expected)
            self.assistant.adjust(pairs, losses)
        self.learned += 1
        if self.learned >= plan.end_update:
            self.live.popleft()

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain types and arrays; only while the Assistant is settled."""
        return state_of(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; if it was in the middle of a pass, go on there."""
        restore(self, state)
