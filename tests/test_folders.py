"""``DATA1:DATA2``: one run over several folders, each with its own memory of its pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from corpora import alone, boss_losses, make_folder, run_pass

from autoassist_fairseq.assistant.policies.rules import competence
from autoassist_fairseq.schedule.folder import Folder
from autoassist_fairseq.schedule.messages import Feedback
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.plan import Plan
from autoassist_fairseq.schedule.planner import Planner

BUDGET, GROUP, PASSES = Budget(60, 0), 2, 7
FOLDERS: list[dict[str, Any]] = [{"pairs": 800}, {"pairs": 600, "seed": 1, "left_out": (3, 77)}]
CASES: dict[str, dict[str, Any]] = {
    "shrink": {"hopeless": "cut", "features": ("length", "tokens", "expected")},
    "random": {"policy": "random", "rate": (0.0, 0.2, 0.4)},
    "self-paced": {"policy": "self-paced", "pace": 4.0},
    "loss-table": {"policy": "loss-table", "passes": 20, "hopeless": "weight"},
    "competence": {"policy": "competence", "difficulty": "length", "pace": 6.0},
}


def folder_of(index: int) -> Folder:
    """Map the folder of pass ``index`` anew, as fairseq does before every epoch."""
    return make_folder(**FOLDERS[(index - 1) % len(FOLDERS)])


def planner_of(case: str, index: int = 1) -> Planner:
    return Planner(folder_of(index), BUDGET, alone(**CASES[case]))


def trained(plans: list[Plan]) -> list[int]:
    return [int(pair) for plan in plans for pair in plan.batches.pairs]


def run(planner: Planner, first: int = 1) -> list[list[int]]:
    """Train the passes from ``first`` on; return the pairs of each."""
    passes = []
    for index in range(first, PASSES + 1):
        if index > first:
            planner.turn_to(folder_of(index))
        passes.append(trained(run_pass(planner, index, GROUP)))
    return passes


def test_competence_grows_from_folder_to_folder() -> None:
    shares = []
    for index, pairs in enumerate(run(planner_of("competence")), 1):
        shares.append(len(pairs) / len(folder_of(index).ids))
    assert all(np.diff(shares) > 0) and shares[0] < 0.05 and shares[6] > 0.3


def test_without_a_pace_three_passes_are_three_over_all_folders() -> None:
    settings = alone(policy="competence", difficulty="length", folders=2)
    planner = Planner(folder_of(1), BUDGET, settings)
    for index in range(1, 19):
        if index > 1:
            planner.turn_to(folder_of(index))
        before = planner.trained  # folders
        kept = len(trained(run_pass(planner, index, GROUP))) / len(folder_of(index).ids)
        assert kept == pytest.approx(max(competence(before / 2, 3), 0.01), abs=0.01)
    assert before > 6 and kept == 1


@pytest.mark.parametrize("case", ["self-paced", "loss-table"])
def test_pairs_are_remembered_from_one_visit_to_the_next(case: str) -> None:
    sizes = [len(pairs) for pairs in run(planner_of(case))]
    assert sizes[:2] == [800, 598], "nothing is known of any pair yet"
    assert sizes[2] < 0.9 * 800 and sizes[3] < 0.9 * 598


def test_hopeless_pairs_are_classed_in_the_third_pass_over_a_folder() -> None:
    planner = planner_of("shrink")
    run(planner)
    assert planner.policy.state_dict()["hopeless"]["pass"] == 4
    assert {name: m["hopeless"]["pass"] for name, m in planner.memories.items()} == {
        folder_of(2).name: 3
    }


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_resumed_run_is_the_run_that_was_never_stopped(case: str) -> None:
    expected = run(planner_of(case))
    planner = planner_of(case)
    for index in range(1, PASSES):
        if index > 1:
            planner.turn_to(folder_of(index))
        if index not in (3, 4, 6):
            run_pass(planner, index, GROUP)
            continue
        within = planner_of(case, index)
        planner.begin_pass(index, GROUP)
        begun = train(planner, index, 2)
        within.load_state_dict(planner.state_dict())
        rest = begun + train(within, index) + sum(run_rest(within, index), [])
        assert rest == sum(expected[index - 1 :], []), f"stopped within pass {index}"
        train(planner, index)
        # fairseq opens the folder of the next epoch, then restores what was saved after this one.
        between = planner_of(case, index + 1)
        between.load_state_dict(planner.state_dict())
        assert run(between, index + 1) == expected[index:], f"stopped after pass {index}"


def run_rest(planner: Planner, index: int) -> list[list[int]]:
    """Train the passes after ``index``."""
    if index == PASSES:
        return []
    planner.turn_to(folder_of(index + 1))
    return run(planner, index + 1)


def train(planner: Planner, index: int, until: int | None = None) -> list[int]:
    """Train the pass that has begun, up to update ``until``; return the pairs."""
    now, pairs = planner.current, []
    assert now is not None
    while planner.learned < min(now.updates, until or now.updates):
        while planner.may_plan():
            planner.plan_next()
        update = np.concatenate(planner.live[0].update(planner.learned))
        planner.learn(Feedback(index, planner.learned, boss_losses(update)))
        pairs += update.tolist()
    return pairs
