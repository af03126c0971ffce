"""The background Assistant: the same as inline, and no wait without an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from corpora import alone, boss_losses, make_planner, run_pass

from autoassist_fairseq.errors import StarvedError, UserError
from autoassist_fairseq.schedule.messages import Feedback
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.plan import Plan
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.queues import AssistantError
from autoassist_fairseq.schedule.worker import Worker

BUDGET = Budget(60, 0)


def train(worker: Worker, until: int | None = None, pause: float = 0.0) -> list[Plan]:
    """A Boss that trains on what the worker plans, up to update ``until`` of the pass."""
    now, plans = worker.planner.current, []
    assert now is not None
    done, last = worker.planner.learned, now.updates if until is None else until
    while done < last:
        plan, _ = worker.boss_queue.get(5)
        plans.append(plan)
        for update in range(max(done, plan.first_update), min(plan.end_update, last)):
            time.sleep(pause)
            losses = boss_losses(np.concatenate(plan.update(update)))
            worker.assistant_queue.put(Feedback(plan.pass_index, update, losses))
            done = update + 1
    return plans


@pytest.mark.parametrize("pause", [0.0, 0.0005])
def test_the_thread_plans_what_the_inline_planner_plans(pause: float) -> None:
    inline, threaded = (make_planner(800, BUDGET, alone()) for _ in range(2))
    worker = Worker(threaded, rank=0, timeout=5)
    for index in (1, 2, 3):
        worker.settle()
        threaded.begin_pass(index, 2)
        worker.start()
        expected, got = run_pass(inline, index, 2), train(worker, pause=pause)
        for one, two in zip(expected, got, strict=True):
            assert np.array_equal(one.batches.pairs, two.batches.pairs) and one.stats == two.stats
    worker.close()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.52, 0.97])
def test_stop_save_load_go_on_equals_never_stopped(share: float) -> None:
    whole, first, second = (make_planner(3000, BUDGET, alone()) for _ in range(3))
    run_pass(whole, 1, 2)
    run_pass(first, 1, 2)
    expected = run_pass(whole, 2, 2)
    stop_at = int(first.begin_pass(2, 2).updates * share)
    worker = Worker(first, 0, 5)
    worker.start()
    train(worker, stop_at)
    worker.settle()
    second.load_state_dict(first.state_dict())
    resumed = Worker(second, 0, 5)
    resumed.start()
    rest = {plan.window: plan for plan in train(resumed)}
    assert len(expected) > 4
    assert sorted(rest) == [plan.window for plan in expected if plan.end_update > stop_at]
    for plan in expected:
        if plan.window in rest:
            assert np.array_equal(plan.batches.pairs, rest[plan.window].batches.pairs)
    worker.close()
    resumed.close()


def test_state_between_passes_holds_no_pass() -> None:
    planner = make_planner(300, BUDGET, alone())
    run_pass(planner, 1, 1)
    state = planner.state_dict()
    assert state["pass"] is None
    other = make_planner(300, BUDGET, alone())
    other.load_state_dict(state)
    for one, two in zip(run_pass(planner, 2, 1), run_pass(other, 2, 1), strict=True):
        assert np.array_equal(one.batches.pairs, two.batches.pairs)


def broken(planner: Planner, error: Exception) -> Planner:
    def fail(feedback: Feedback) -> None:
        raise error

    planner.learn = fail  # type: ignore[method-assign]
    return planner


@pytest.mark.parametrize(
    ("error", "expected"),
    [(ZeroDivisionError("by nought"), AssistantError), (UserError("mend it"), UserError)],
)
def test_an_error_in_the_thread_reaches_the_boss(
    error: Exception, expected: type[Exception]
) -> None:
    planner = broken(make_planner(800, BUDGET, alone()), error)
    planner.begin_pass(1, 1)
    worker = Worker(planner, 0, timeout=5)
    worker.start()
    with pytest.raises(expected, match=str(error)):
        train(worker)
    with pytest.raises(expected, match=str(error)):
        worker.settle()
    with pytest.raises(expected, match=str(error)):
        worker.raise_failure()
    worker.close()


def test_a_starved_boss_is_told_why() -> None:
    planner = make_planner(800, BUDGET, alone())
    planner.begin_pass(1, 1)
    worker = Worker(planner, rank=3, timeout=5)
    worker.start()
    worker.boss_queue.get(5)
    worker.boss_queue.get(5)
    begin = time.perf_counter()
    with pytest.raises(StarvedError, match=r"rank 3 .* BossQueue .*next window 2.*update 0"):
        worker.boss_queue.get(0.2, worker.situation)
    assert time.perf_counter() - begin < 2
    worker.close()


def test_no_thread_is_left() -> None:
    planner = make_planner(300, BUDGET, alone())
    planner.begin_pass(1, 1)
    worker = Worker(planner, 0, 5)
    worker.start()
    mine = worker._thread
    worker.close()
    assert mine is not None and not mine.is_alive()


def slow(planner: Planner, work: Callable[[], None]) -> Worker:
    """Return a worker whose second plan does ``work`` first."""
    planner.begin_pass(1, 1)
    plan_next, calls = planner.plan_next, iter(range(99))

    def slow_plan() -> Plan:
        if next(calls):
            work()
        return plan_next()

    planner.plan_next = slow_plan  # type: ignore[method-assign]
    return Worker(planner, 0, timeout=0.3)


def busy() -> None:
    """Be at it for longer than the timeout."""
    end = time.perf_counter() + 1.0
    while time.perf_counter() < end:
        pass


def busy_elsewhere() -> None:
    """Have another thread be at it, as those are that read text."""
    with ThreadPoolExecutor(1, threading.current_thread().name) as pool:
        pool.submit(busy).result()


@pytest.mark.slow
@pytest.mark.parametrize("busy", [busy, busy_elsewhere])
def test_an_assistant_that_is_slow_but_at_work_is_waited_for(busy: Callable[[], None]) -> None:
    worker = slow(make_planner(800, BUDGET, alone()), busy)
    worker.start()
    assert [worker.next_plan()[0].window, worker.next_plan()[0].window] == [0, 1]
    again = slow(make_planner(800, BUDGET, alone()), busy)
    again.start()
    again.settle()
    worker.close()
    again.close()


@pytest.mark.slow
def test_one_that_does_not_move_is_given_up() -> None:
    worker = slow(make_planner(800, BUDGET, alone()), lambda: time.sleep(2))
    worker.start()
    worker.next_plan()
    with pytest.raises(StarvedError, match="BossQueue"):
        worker.next_plan()
    with pytest.raises(StarvedError, match="come to rest"):
        worker.settle()
    worker.close()
