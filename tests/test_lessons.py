"""What the log says of learning: every lesson is reported once, also those at the end of a pass."""

from __future__ import annotations

import pytest
from corpora import alone, make_planner, run_pass

from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.planner import Planner


def planner(pairs: int) -> Planner:
    return make_planner(pairs, Budget(60, 0), alone())


@pytest.mark.parametrize("pairs", [60, 3000])
def test_every_lesson_is_reported_once(pairs: int) -> None:
    one = planner(pairs)
    plans = [plan for index in (1, 2, 3) for plan in run_pass(one, index, 1)]
    trained = sum(len(plan.batches.pairs) for plan in plans)
    assert sum(plan.stats.learned for plan in plans) + one.lesson.pairs == trained
    assert plans[0].stats.learned == 0, "nothing is known before the first window"
    later = [plan.stats for plan in plans if plan.pass_index > 1 and plan.window == 0]
    assert all(stats.learned > 0 and stats.accuracy > 0.3 for stats in later)


def test_a_resumed_run_reports_what_the_pass_before_taught() -> None:
    whole, resumed = planner(300), planner(300)
    run_pass(whole, 1, 1)
    resumed.load_state_dict(whole.state_dict())
    expected, got = run_pass(whole, 2, 1), run_pass(resumed, 2, 1)
    assert [plan.stats for plan in got] == [plan.stats for plan in expected]
