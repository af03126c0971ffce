"""Going on within a pass with other ranks or another batch size; failing and going on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from corpora import alone, boss_losses, make_planner, run_pass

from autoassist_fairseq.schedule.messages import Feedback
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.plan import Plan
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.rebase import rebase
from autoassist_fairseq.schedule.worker import Worker

BUDGET = Budget(60, 0)


def go_on(planner: Planner, until: int | None = None) -> list[np.ndarray]:
    """Train inline from where the planner stands; return the pairs of every update."""
    now = planner.current
    assert now is not None
    trained: list[np.ndarray] = []
    while planner.learned < (now.updates if until is None else until):
        while planner.may_plan():
            planner.plan_next()
        update = planner.learned
        batches = planner.live[0].update(update)
        assert len(batches) == now.group and all(len(batch) for batch in batches)
        pairs = np.concatenate(batches)
        trained.append(pairs)
        planner.learn(Feedback(now.index, update, boss_losses(pairs)))
    return trained


@pytest.mark.slow
@pytest.mark.parametrize("index", [1, 2])
@pytest.mark.parametrize("budget", [BUDGET, Budget(30, 0), Budget(200, 0, 8)])
@pytest.mark.parametrize(("before", "after"), [(4, 2), (2, 4), (1, 8), (3, 5), (4, 4)])
def test_the_rest_of_a_pass_is_considered_exactly_once(
    index: int, budget: Budget, before: int, after: int
) -> None:
    for share in (0.02, 0.77):
        first, second = (make_planner(1300, b, alone()) for b in (BUDGET, budget))
        run_pass(first, 1, before)
        if index == 1:
            first = make_planner(1300, BUDGET, alone())
        updates = first.begin_pass(index, before).updates
        trained = go_on(first, until=max(1, int(updates * share)))
        second.load_state_dict(first.state_dict())
        rebase(second, after)
        now = second.current
        assert now is not None and second.learned == len(trained)
        planned = second.live[-1].end_update if second.live else second.learned
        assert now.updates_through(second.next_window - 1) == planned
        trained += go_on(second)
        flat = np.concatenate(trained)
        assert len(np.unique(flat)) == len(flat), "nothing is trained on twice"
        assert second.next_window == now.windows and not len(second.leftover)
        if index == 1:
            assert len(flat) == 1300, "in a pass that keeps everything nothing is lost"


def test_without_a_change_the_rest_is_the_same() -> None:
    planner, again = (make_planner(1300, BUDGET, alone()) for _ in range(2))
    planner.begin_pass(1, 3)
    go_on(planner, until=12)
    again.load_state_dict(planner.state_dict())
    rebase(again, 3)
    for one, two in zip(go_on(planner), go_on(again), strict=True):
        assert np.array_equal(one, two)


@pytest.mark.parametrize("where", ["learn", "keep_probability"])
@pytest.mark.parametrize("index", [1, 2])
def test_without_the_assistant_training_goes_on(
    where: str, index: int, caplog: pytest.LogCaptureFixture
) -> None:
    planner = make_planner(1300, BUDGET, alone(on_error="continue"))
    if index == 2:
        run_pass(planner, 1, 2)
    now = planner.begin_pass(index, 2)
    calls = itertools.count()
    sound = getattr(planner.assistant, where)

    def fails(*arguments: object) -> object:
        if next(calls) >= 3:
            raise ZeroDivisionError("by nought")
        return sound(*arguments)

    setattr(planner.assistant, where, fails)
    worker = Worker(planner, 0, 5)
    worker.start()
    assert train(worker) == now.updates
    worker.settle()
    failed_here = index == 2 or where == "learn"
    assert bool(planner.failed) == failed_here
    worker.attempt(lambda: planner.begin_pass(index + 1, 2))
    worker.start()
    train(worker)
    worker.settle()
    assert planner.failed == "ZeroDivisionError: by nought" or index == 1
    worker.attempt(lambda: planner.begin_pass(index + 2, 2))
    assert planner.current is not None and (planner.current.keep_all or not planner.failed)
    assert sum("by nought" in record.message for record in caplog.records) <= 1
    other = make_planner(1300, BUDGET, alone(on_error="continue"))
    other.load_state_dict(planner.state_dict())
    assert other.failed == planner.failed
    worker.close()


def train(worker: Worker) -> int:
    """Train the pass to its end; return the number of updates."""
    now = worker.planner.current
    assert now is not None
    done = 0
    while done < now.updates:
        plan: Plan = worker.boss_queue.get(5)[0]
        for update in range(plan.first_update, plan.end_update):
            losses = boss_losses(np.concatenate(plan.update(update)))
            worker.assistant_queue.put(Feedback(plan.pass_index, update, losses))
            done += 1
    return done
