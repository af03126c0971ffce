"""``--autoassist-on-error continue``: whatever fails, whenever it does, no pair is lost for it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from corpora import alone, boss_losses, make_planner

from autoassist_fairseq.schedule.messages import Feedback
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.worker import Worker

BUDGET, GROUP, PAIRS, PASSES = Budget(60, 0), 3, 400, 4
CASES: dict[str, dict[str, Any]] = {
    "shrink": {},
    "shrink, hopeless cut": {"hopeless": "cut"},
    "loss-table": {"policy": "loss-table", "passes": 8},
    "self-paced, hopeless weighted": {"policy": "self-paced", "hopeless": "weight"},
    "competence": {"policy": "competence", "difficulty": "length", "passes": 4},
}


class Breaks(Exception):
    """What is planted."""


class Fragile:
    """Stands for ``whole``, until it was asked ``sound`` times for anything; then always raises."""

    def __init__(self, whole: Any, sound: int, asked: list[str]) -> None:
        self._parts = whole, sound, asked

    def __getattr__(self, name: str) -> Any:
        whole, sound, asked = self._parts
        asked.append(name)
        if len(asked) > sound:
            raise Breaks(name)
        return getattr(whole, name)


def trained_in(worker: Worker, index: int) -> tuple[list[int], bool]:
    """Train pass ``index``; return its pairs, and whether it was to keep every one."""
    planner, pairs = worker.planner, []
    now = worker.attempt(lambda: planner.begin_pass(index, GROUP))
    while planner.learned < now.updates:
        while planner.may_plan():
            worker.attempt(planner.plan_next)
        update = np.concatenate(planner.live[0].update(planner.learned))
        feedback = Feedback(index, planner.learned, boss_losses(update))
        worker.attempt(lambda feedback=feedback: planner.learn(feedback))  # type: ignore[misc]
        pairs += update.tolist()
    assert planner.next_window == now.windows and not len(planner.leftover)
    return pairs, now.keep_all


def planner_that_breaks(sound: int, asked: list[str], **options: Any) -> Planner:
    settings = alone(on_error="continue", window=100, **options)
    planner = make_planner(PAIRS, BUDGET, settings)
    planner.policy = planner.selection.policy = Fragile(planner.policy, sound, asked)  # type: ignore[assignment]
    planner.assistant = Fragile(planner.assistant, sound, asked)  # type: ignore[assignment]
    return planner


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_failure_at_any_call_loses_no_pair_and_trains_none_twice(case: str) -> None:
    # Calls of one name within a pass are alike, but for the first few.
    for sound in places(CASES[case]):
        asked: list[str] = []
        worker = Worker(planner_that_breaks(sound, asked, **CASES[case]), 0, 5)
        for index in range(1, PASSES + 1):
            pairs, everyone = trained_in(worker, index)
            assert len(set(pairs)) == len(pairs), (sound, "trained twice")
            assert not everyone or sorted(pairs) == list(range(PAIRS)), (sound, "lost")
        assert everyone and len(asked) == sound + 1, "once it has failed, nothing is asked of it"
        state = worker.planner.state_dict()
        assert len(asked) == sound + 1 and state["failed"] == f"Breaks: {asked[-1]}"
        make_planner(PAIRS, BUDGET, alone(on_error="continue")).load_state_dict(state)


def places(options: dict[str, Any]) -> list[int]:
    """Return the calls to break: of each pass, the first three of every name."""
    asked: list[str] = []
    worker = Worker(planner_that_breaks(10**9, asked, **options), 0, 5)
    chosen: list[int] = []
    for index in range(1, PASSES):
        begin = len(asked)
        trained_in(worker, index)
        for _, same in itertools.groupby(
            sorted(range(begin, len(asked)), key=lambda place: asked[place]),
            key=lambda place: asked[place],
        ):
            chosen += list(same)[:3]
    return chosen
