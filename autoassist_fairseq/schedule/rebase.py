"""Go on within a pass with other ranks, update-freq or batch size: same pairs, dealt anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.schedule.passes import count_batches, from_the_end
from autoassist_fairseq.schedule.plan import Plan, PlanStats, deal, pack_window
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.streams import REBASE, stream

Ints = NDArray[Any]


def rebase(planner: Planner, group: int) -> None:
    """Deal what is left of the restored pass out into updates of ``group`` batches.

    Pairs that are planned but not trained on are packed anew under the planner's budget, windows
    that are not planned yet owe as many batches as before (more, if the budget is smaller). What
    was trained on stays counted, so no pair is considered twice or lost.
    """
    now = planner.current
    assert now is not None
    if now.group == group and planner.saved_budget == planner.budget:
        return
    waiting = _waiting_pairs(planner)
    owed = _owed(planner, group, waiting)
    pool, _ = pack_window(
        waiting, *planner.folder.sizes(waiting), None, int(owed[0]), planner.budget
    )
    window = max(planner.next_window - 1, 0)
    quotas = np.concatenate([np.zeros(window, np.int64), owed])
    current = replace(now, group=group, quotas=quotas, offset=planner.learned * group)
    rng = stream(REBASE, now.seed, now.index, planner.next_window, planner.learned)
    dealt, leftover = deal(pool, group, len(owed) == 1, rng)
    stats, weights = _rest_of_stats(planner), planner.selection.weights(dealt)
    plan = Plan(now.index, window, planner.learned, group, dealt, stats, weights)
    # All that may fail is over: from here on the planner changes.
    planner.current, planner.leftover = current, leftover
    planner.live.clear()
    if plan.updates:
        planner.live.append(plan)


def _waiting_pairs(planner: Planner) -> NDArray[np.int64]:
    """Return the pairs that are planned, but not trained on yet."""
    parts = [planner.leftover.pairs]
    for plan in planner.live:
        begin = max(planner.learned - plan.first_update, 0) * plan.group
        parts.append(plan.batches.pairs[plan.batches.offsets[begin] :])
    return np.concatenate(parts)


def _owed(planner: Planner, group: int, waiting: Ints) -> NDArray[np.int64]:
    """Return the batches owed by the waiting pairs and by every later window, in whole updates."""
    now, sizes = planner.current, planner.folder.sizes
    assert now is not None
    counts = [(count_batches(waiting, sizes, planner.budget), len(waiting))]
    for window in range(planner.next_window, now.windows):
        pairs = planner.selection.candidates(now, window)
        counts.append((_rescaled(window, pairs, planner), len(pairs)))
    table: NDArray[np.int64] = np.array(counts, np.int64)
    owed = table[:, 0]
    room, missing = table[:, 1] - owed, -int(owed.sum()) % group
    if missing <= room.sum():
        return owed + from_the_end(missing, room)
    return owed - from_the_end(int(owed.sum()) % group, owed)


def _rescaled(window: int, pairs: Ints, planner: Planner) -> int:
    """Return the batches that hold under the new budget what a quota held under the old one."""
    now = planner.current
    assert now is not None
    quota = int(now.quotas[window])
    old, new = (
        count_batches(pairs, planner.folder.sizes, budget)
        for budget in (planner.saved_budget, planner.budget)
    )
    if now.keep_all or planner.selection.settled(now, window):
        return new
    return quota if old == new else min(len(pairs), max(1, round(quota * new / old)))


def _rest_of_stats(planner: Planner) -> PlanStats:
    """Return the sums over what is left of the live plans, with the last one's other figures."""
    sums = dict.fromkeys(
        ("considered", "kept", "considered_tokens", "kept_tokens", "hopeless"), 0.0
    )
    last: PlanStats | None = None
    for plan in planner.live:
        last = plan.stats
        rest = (plan.end_update - max(planner.learned, plan.first_update)) / plan.updates
        for name in sums:
            sums[name] += getattr(last, name) * rest
    counts: dict[str, int] = {name: round(value) for name, value in sums.items()}
    empty = PlanStats(0, 0, 0, 0, planner.selection.safeguard, float("nan"), 0.0, 0.0, 0)
    return replace(last or empty, **counts)
