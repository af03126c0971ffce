"""Warm-up may end within a pass: what comes before keeps every pair, and the pass its promise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from corpora import alone, make_planner, run_pass
from hypothesis import given, settings
from hypothesis import strategies as st

from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.passes import shrunk_quotas
from autoassist_fairseq.schedule.plan import Plan
from autoassist_fairseq.schedule.planner import Planner

PAIRS, BUDGET = 2_000, Budget(60, 0)


def warm_and_cold(plans: list[Plan], planner: Planner) -> tuple[list[Plan], list[Plan]]:
    """Part the plans of a pass where its warm-up ends."""
    assert planner.current is not None
    return plans[: planner.current.warm], plans[planner.current.warm :]


@pytest.mark.parametrize("policy", ["shrink", "random"])
def test_a_fifth_of_the_first_pass_keeps_every_pair(policy: str) -> None:
    planner = make_planner(PAIRS, BUDGET, alone(policy=policy, warmup_passes=0.2))
    before, after = warm_and_cold(run_pass(planner, 1, 2), planner)
    assert len(before) == math.ceil((len(before) + len(after)) / 5) > 0, "that begin in it"
    assert all(plan.stats.kept == plan.stats.considered for plan in before)
    share = sum(p.stats.kept for p in after) / sum(p.stats.considered for p in after)
    assert 0.4 < share < 0.85
    assert not warm_and_cold(run_pass(planner, 2, 2), planner)[0]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(8, 400),
    st.integers(1, 4),
    st.integers(12, 80),
    st.integers(0, 100),
    st.integers(0, 25),
    st.sampled_from(["shrink", "random"]),
)
def test_a_pass_keeps_its_promise_wherever_warm_up_ends(
    pairs: int, group: int, tokens: int, window: int, tenths: int, policy: str
) -> None:
    options = alone(policy=policy, window=window, warmup_passes=tenths / 10)
    planner = make_planner(pairs, Budget(tokens, 0), options)
    for index in (1, 2, 3):
        plans = run_pass(planner, index, group)
        now = planner.current
        assert now is not None and not planner.live and not len(planner.leftover)
        assert plans[-1].end_update == now.updates == sum(plan.updates for plan in plans)
        trained = np.concatenate([plan.batches.pairs for plan in plans])
        assert len(np.unique(trained)) == len(trained) == sum(plan.stats.kept for plan in plans)
        warm = min(max(tenths / 10 - (index - 1), 0), 1)
        assert now.warm in (math.ceil(warm * now.windows), now.windows)
        if now.warm < now.windows:
            assert all(plan.stats.kept == plan.stats.considered for plan in plans[: now.warm])


def test_in_updates_it_ends_with_the_window_of_that_update() -> None:
    planner = make_planner(PAIRS, BUDGET, alone(warmup_updates=30))
    before, after = warm_and_cold(run_pass(planner, 1, 4), planner)
    whole = make_planner(PAIRS, BUDGET, alone(policy="uniform")).begin_pass(1, 4).updates
    assert len(before) == math.ceil(30 / whole * (len(before) + len(after)))
    assert before[-1].first_update < 30 <= before[-1].end_update + 1
    later = make_planner(PAIRS, BUDGET, alone(warmup_updates=whole + 30))
    assert [len(warm_and_cold(run_pass(later, n, 4), later)[1]) > 0 for n in (1, 2)] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("options", "warm"),
    [
        ({"warmup_passes": 0.2}, [True, False, False]),
        ({"warmup_passes": 1.5}, [True, True, False]),
        ({"warmup_updates": 10}, [True, False, False]),
    ],
)
@pytest.mark.parametrize("policy", ["self-paced", "loss-table"])
def test_policies_that_go_by_the_losses_of_a_pass_warm_up_for_whole_ones(
    policy: str, options: dict[str, Any], warm: list[bool]
) -> None:
    planner = make_planner(PAIRS, BUDGET, alone(policy=policy, passes=99, **options))
    kept = [sum(p.stats.kept for p in run_pass(planner, index, 2)) for index in (1, 2, 3)]
    assert [count == PAIRS for count in kept] == warm


def test_within_such_a_pass_a_saved_state_goes_on_as_if_never_stopped() -> None:
    options = alone(warmup_passes=0.4)
    whole, stopped, resumed = (make_planner(PAIRS, BUDGET, options) for _ in range(3))
    expected = [plan.batches.pairs.tolist() for plan in run_pass(whole, 1, 2)]
    stopped.begin_pass(1, 2)
    first = stopped.plan_next()
    resumed.load_state_dict(stopped.state_dict())
    assert resumed.current is not None and resumed.current.warm >= 2
    assert [first.batches.pairs.tolist(), resumed.plan_next().batches.pairs.tolist()] == expected[
        :2
    ]
    assert resumed.begin_pass(1, 2).quotas.tolist() == stopped.begin_pass(1, 2).quotas.tolist()


def test_quotas_by_hand() -> None:
    assert shrunk_quotas(12.0, [50, 50, 20], [1, 1, 1], 4).tolist() == [5, 5, 2]
    # 7 are owed for certain; 17 in all are rounded to 16, so that 9 remain for 2 parts to 1.
    assert shrunk_quotas(10.0, [20, 40, 20], [1, 0.5, 0.5], 4, [7]).tolist() == [7, 6, 3]
    # Nothing is forecast, but the last update must be filled.
    assert shrunk_quotas(0.0, [20, 40], [1, 0], 4, [7]).tolist() == [7, 1]
    # No window makes more batches than it has pairs: 32 in all, 29 of them in the first by share.
    assert shrunk_quotas(30.0, [20, 20], [1, 0.1], 4).tolist() == [20, 12]
