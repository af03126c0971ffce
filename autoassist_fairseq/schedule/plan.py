"""window -> plan: who is kept, packed into exactly the batches owed, dealt out into updates."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.schedule.batches import Batches
from autoassist_fairseq.schedule.packing import Budget, packing_order, split_to

Ints = NDArray[Any]


@dataclass(frozen=True)
class PlanStats:
    """What the log says of one window; shares are of ``considered`` and its target tokens.

    Attributes:
        considered, kept: pairs.
        considered_tokens, kept_tokens: target tokens.
        safeguard: s, in [0, 1].
        threshold: T in nats per token; NaN while there is none.
        accuracy: prequential, in [0, 1], over the ``learned`` pairs since the plan before.
        majority: what always guessing the commoner label would have scored on them.
        learned: pairs.
        hopeless: pairs of those considered.
        surprise: standard surprise above which pairs are hopeless; infinite if none is.
    """

    considered: int
    kept: int
    considered_tokens: int
    kept_tokens: int
    safeguard: float
    threshold: float
    accuracy: float
    majority: float
    learned: int
    hopeless: int = 0
    surprise: float = math.inf


@dataclass(frozen=True)
class Plan:
    """One planned window: updates in training order, ``group`` batches each.

    Attributes:
        pass_index: the pass, from 1.
        window: number within the pass, from 0.
        first_update: number within the pass, from 0, of its first update.
        group: batches of one update: batch j goes to rank j % ranks as micro-batch j // ranks.
        batches: all batches, update after update.
        stats: for the log.
        weights: of ``batches.pairs`` in the loss, float32; None = all 1.
    """

    pass_index: int
    window: int
    first_update: int
    group: int
    batches: Batches
    stats: PlanStats
    weights: NDArray[np.float32] | None = None

    @property
    def updates(self) -> int:
        """Number of updates."""
        return len(self.batches) // self.group

    @property
    def end_update(self) -> int:
        """Number within the pass of the first update after this plan."""
        return self.first_update + self.updates

    def update(self, update: int) -> list[NDArray[np.int64]]:
        """Return the ``group`` batches of ``update`` (numbered within the pass)."""
        begin = (update - self.first_update) * self.group
        return [self.batches.batch(begin + j) for j in range(self.group)]

    def weights_of(self, update: int) -> list[NDArray[np.float32] | None]:
        """Return the weights of the pairs of each batch of ``update``, as in `update`."""
        if self.weights is None:
            return [None] * self.group
        begin = (update - self.first_update) * self.group
        bounds = self.batches.offsets[begin : begin + self.group + 1]
        return [self.weights[a:b] for a, b in itertools.pairwise(bounds)]

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain types and arrays."""
        plain = {k: getattr(self, k) for k in ("pass_index", "window", "first_update", "group")}
        state = {**plain, "batches": self.batches.state_dict(), "stats": asdict(self.stats)}
        return state if self.weights is None else {**state, "weights": self.weights.copy()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Plan:
        """Build again what `state_dict` returned."""
        plain = {k: state[k] for k in ("pass_index", "window", "first_update", "group")}
        batches = Batches.from_state(state["batches"])
        weights = np.array(state["weights"], np.float32) if "weights" in state else None
        return cls(**plain, batches=batches, stats=PlanStats(**state["stats"]), weights=weights)


def choose(margin: Ints, lengths: Ints, quota: int, budget: Budget) -> NDArray[np.bool_]:
    """Return who is kept [P]: as many of the highest ``margin`` as ``quota`` batches hold.

    Args:
        margin: [P] keep probability minus the draw; above 0 the rule alone would keep the pair.
        lengths: [P] longest side of each pair, in descending order.
        quota: batches owed.
        budget: what a batch holds.

    The pairs nearest to the draw are topped up or trimmed, so that the batches come out exactly.
    """
    ordered = np.sort(margin)[::-1]  # values sort many times faster than places
    enough, too_many = min(quota, len(margin)), len(margin) + 1
    while too_many - enough > 1:
        middle = (enough + too_many) // 2
        if budget.count(lengths[_highest(margin, ordered, middle)]) <= quota:
            enough = middle
        else:
            too_many = middle
    return _highest(margin, ordered, enough)


def _highest(margin: Ints, ordered: Ints, count: int) -> NDArray[np.bool_]:
    """Return which ``count`` of ``margin`` [P] are highest; of equal ones, the first.

    ``ordered`` holds the same values in descending order.
    """
    if count == 0:
        return np.zeros(len(margin), np.bool_)
    least = ordered[count - 1]
    chosen: NDArray[np.bool_] = margin > least
    equal = np.flatnonzero(margin == least)
    chosen[equal[: count - int(np.count_nonzero(chosen))]] = True
    return chosen


def pack_window(
    pairs: Ints, source: Ints, target: Ints, margin: Ints | None, quota: int, budget: Budget
) -> tuple[Batches, NDArray[np.int64]]:
    """Pack the kept pairs of a window into exactly ``quota`` batches.

    Args:
        pairs: [P] ids.
        source: [P] source lengths in tokens.
        target: [P] target lengths in tokens.
        margin: [P] see `choose`; None keeps every pair that ``quota`` batches can hold.
        quota: batches owed.
        budget: what a batch holds.

    Returns:
        The batches, longest first, and the rows [K] of ``pairs`` that are in them.
    """
    rows = packing_order(source, target)
    lengths = np.maximum(source, target)[rows]
    if margin is None and budget.count(lengths) > quota:
        margin = np.zeros(len(rows))
    if margin is not None:
        kept = choose(margin[rows], lengths, quota, budget)
        rows, lengths = rows[kept], lengths[kept]
    offsets = split_to(budget.pack(lengths), quota)
    batch = np.repeat(np.arange(quota), np.diff(offsets))
    # Both in one number: by batch, then by id (of 32 bits).
    keys = np.sort(batch << 32 | pairs[rows].astype(np.int64))
    return Batches(keys & (2**32 - 1), offsets, lengths[offsets[:-1]]), rows


def deal(
    pool: Batches, group: int, last: bool, rng: np.random.Generator
) -> tuple[Batches, Batches]:
    """Deal batches out into updates of similar length; return (dealt, left over for later).

    All batches of an update are neighbours in length, so that no rank waits for a longer one; the
    updates come in random order. Fewer than ``group`` batches, drawn at random, stay over, none
    after the ``last`` window of a pass.
    """
    spare = len(pool) % group
    assert not (last and spare), "quotas of a pass add up to whole updates"
    over = np.sort(rng.choice(len(pool), spare, replace=False)) if spare else np.empty(0, np.int64)
    by_length = np.argsort(pool.longest, kind="stable")
    updates = by_length[~np.isin(by_length, over)].reshape(-1, group)
    return pool.take(rng.permutation(updates).ravel()), pool.take(over)
