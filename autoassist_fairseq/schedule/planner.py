"""The Assistant's work without its thread: begin a pass, plan a window, learn from losses."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.assistant import Assistant, Lesson
from autoassist_fairseq.schedule import passes
from autoassist_fairseq.schedule.batches import Batches
from autoassist_fairseq.schedule.messages import Feedback
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.passes import Pass
from autoassist_fairseq.schedule.plan import Plan, PlanStats, deal, pack_window
from autoassist_fairseq.settings import Settings

Ints = NDArray[Any]

logger = logging.getLogger(__name__)

NO_EFFECT = (
    "autoassist: warm-up is over, but pass {} skipped no pair: the Assistant saves nothing; "
    "lower `--autoassist-base-prob`, or use `--autoassist-policy uniform`"
)
FELL_BACK = (
    "autoassist: the Assistant failed with {}; training goes on, every pair is kept from the next "
    "pass on, and the rest of this one, whose length is promised, is filled at random"
)
PASS_KEYS = ("index", "window_pairs", "group", "keep_all", "seed", "offset")


@dataclass(frozen=True)
class Pairs:
    """The pairs to plan.

    Attributes:
        ids: [P] pair ids that fit the model.
        source_sizes, target_sizes: tokens of every pair id.
    """

    ids: NDArray[np.int32]
    source_sizes: Ints
    target_sizes: Ints

    def sizes(self, ids: Ints) -> tuple[Ints, Ints]:
        """Return source and target lengths [P] of ``ids``."""
        return self.source_sizes[ids], self.target_sizes[ids]


class Planner:
    """Plans windows from what the Assistant has learned up to the window before the last.

    Window w + 1 is planned while the Boss trains on w, from an Assistant that has learned all
    losses up to window w - 1 and none of w: asynchronous in time, deterministic in logic.
    """

    def __init__(
        self, assistant: Assistant, pairs: Pairs, budget: Budget, settings: Settings
    ) -> None:
        self.assistant, self.pairs = assistant, pairs
        self.budget, self.settings = budget, settings
        self.live: deque[Plan] = deque()
        self.current: Pass | None = None
        # Outlives a pass: the first plan of the next one reports what its last windows taught.
        self.lesson = Lesson()
        self._warned = False
        self.failed = ""

    def begin_pass(self, index: int, group: int) -> Pass:
        """Promise the length of pass ``index`` (from 1) at ``group`` batches per update.

        Everything sent so far must be learned: the forecast rests on it.
        """
        order = passes.pass_order(self.pairs.ids, self.settings.seed, index)
        sample = order[: passes.SAMPLE]
        warm = self._shrinks and index > self.settings.warmup_passes
        share = self._expected_share(sample) if warm else 1.0
        rough = share * self._count(sample, len(sample)) * len(order) / len(sample)
        window = passes.window_size(len(order), int(rough) // group, self.settings.window)
        if share < 1:
            batches = share * self._count(sample, window) * len(order) / len(sample)
            quotas = passes.shrunk_quotas(batches, len(order), window, group)
        else:
            quotas = passes.keep_all_quotas(order, window, self.pairs.sizes, self.budget, group)
        now = Pass(index, order, window, group, quotas, share >= 1, self.settings.seed)
        self._begin(now)
        return now

    def _count(self, sample: Ints, window: int) -> int:
        """Return the batches that hold all pairs of ``sample``, packed window by window."""
        windows = [sample[i : i + window] for i in range(0, len(sample), window)]
        return sum(passes.count_batches(pairs, self.pairs.sizes, self.budget) for pairs in windows)

    def _begin(self, begun: Pass) -> None:
        self.current = begun
        self.next_window = self.learned = 0
        self.leftover = Batches.none()
        self.skipped = 0
        self.live.clear()

    def _expected_share(self, sample: Ints) -> float:
        """Return the share of tokens that the Assistant, as it is now, would keep."""
        longest = np.maximum(*self.pairs.sizes(sample))
        keep = self.assistant.keep_probability(sample)
        return float((keep * longest).sum(dtype=np.float64) / max(longest.sum(), 1))

    def most_pairs_of_a_batch(self) -> int:
        """Return how many pairs one batch can hold at most."""
        shortest = int(np.maximum(*self.pairs.sizes(self.pairs.ids)).min())
        return self.budget.most_pairs(shortest, len(self.pairs.ids))

    def may_plan(self) -> bool:
        """Return whether a window is left, and everything that its plan rests on is learned."""
        if self.current is None or self.next_window >= self.current.windows:
            return False
        return self.learned >= self.current.learned_before(self.next_window)

    def plan_next(self) -> Plan:
        """Plan the next window."""
        now, window = self.current, self.next_window
        assert now is not None
        self.assistant.model.corpus.check()
        pairs = now.pairs_of(window)
        source, target = self.pairs.sizes(pairs)
        rng = np.random.default_rng([now.seed, now.index, window])
        margin = None if now.keep_all else self._margin(pairs, rng)
        quota = int(now.quotas[window])
        batches, kept = pack_window(pairs, source, target, margin, quota, self.budget)
        pool = Batches.join(self.leftover, batches)
        dealt, self.leftover = deal(pool, now.group, window == now.windows - 1, rng)
        first = now.updates_through(window - 1)
        plan = Plan(now.index, window, first, now.group, dealt, self._stats(target, kept))
        self.next_window += 1
        self.skipped += len(pairs) - len(kept)
        self._warn_of_no_effect(now)
        if plan.updates:
            self.live.append(plan)
        return plan

    def _margin(self, pairs: Ints, rng: np.random.Generator) -> Ints:
        """Return keep probability minus draw [P]; the draw alone once the Assistant has failed."""
        draw = rng.random(len(pairs), np.float32)
        return -draw if self.failed else self.assistant.keep_probability(pairs) - draw

    @property
    def _shrinks(self) -> bool:
        return self.settings.policy != "uniform" and not self.failed

    def fall_back(self, error: Exception) -> None:
        """Do without the Assistant from now on (``--autoassist-on-error continue``)."""
        self.failed = f"{type(error).__name__}: {error}"
        logger.warning(FELL_BACK.format(self.failed))

    def _warn_of_no_effect(self, now: Pass) -> None:
        """Warn, once, when a pass that should have skipped pairs has skipped none."""
        ended = self.next_window == now.windows and self._shrinks
        if ended and now.index > self.settings.warmup_passes and not self.skipped:
            if not self._warned:
                logger.warning(NO_EFFECT.format(now.index))
            self._warned = True

    def _stats(self, target: Ints, kept: Ints) -> PlanStats:
        lesson, self.lesson = self.lesson, Lesson()
        return PlanStats(
            considered=len(target),
            kept=len(kept),
            considered_tokens=int(target.sum(dtype=np.int64)),
            kept_tokens=int(target[kept].sum(dtype=np.int64)),
            safeguard=self.assistant.safeguard,
            threshold=self.assistant.threshold.value,
            accuracy=lesson.accuracy,
            majority=lesson.majority,
            learned=lesson.pairs,
        )

    def learn(self, feedback: Feedback) -> None:
        """Learn the losses of the next update."""
        assert self.current is not None and feedback.update == self.learned, "in order, once"
        plan = self.live[0]
        pairs = np.concatenate(plan.update(feedback.update))
        if not self.failed:
            self.lesson += self.assistant.learn(pairs, feedback.losses)
        self.learned += 1
        if self.learned >= plan.end_update:
            self.live.popleft()

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain types and arrays; only while the Assistant is settled."""
        state: dict[str, Any] = {
            "assistant": self.assistant.state_dict(),
            "lesson": list(self.lesson.sums),
            "failed": self.failed,
            "pass": None,
        }
        now = self.current
        if now is not None and self.learned < now.updates:
            state["pass"] = {
                **{name: getattr(now, name) for name in PASS_KEYS},
                "quotas": now.quotas.copy(),
                "budget": list(astuple(self.budget)),
                "next_window": self.next_window,
                "learned": self.learned,
                "skipped": self.skipped,
                "leftover": self.leftover.state_dict(),
                "live": [plan.state_dict() for plan in self.live],
            }
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; if it was in the middle of a pass, go on there."""
        self.assistant.load_state_dict(state["assistant"])
        self.lesson, self.failed = Lesson(*state["lesson"]), state["failed"]
        saved = state["pass"]
        if saved is None:
            self.current = None
            return
        order = passes.pass_order(self.pairs.ids, saved["seed"], saved["index"])
        plain = {name: saved[name] for name in PASS_KEYS}
        self._begin(Pass(order=order, quotas=np.array(saved["quotas"], np.int64), **plain))
        self.next_window, self.learned = saved["next_window"], saved["learned"]
        self.skipped = saved["skipped"]
        self.leftover = Batches.from_state(saved["leftover"])
        self.live.extend(Plan.from_state(plan) for plan in saved["live"])
        self.saved_budget = Budget(*saved["budget"])
