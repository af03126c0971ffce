"""Theorem 1: constants are right, the bound holds, shrinking saves, a wrong rule is caught."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.theorem1 import data, optimum, runs
from autoassist_fairseq.tools.theorem1.problem import LOSSES, Floats, Loss, Problem
from autoassist_fairseq.tools.theorem1.runs import Curve, Step

pytestmark = pytest.mark.slow  # loads scikit-learn

BOTH = pytest.mark.parametrize("loss", LOSSES)


def problem(loss: Loss, mu: float = 0.1, rows: int = 300) -> Problem:
    return Problem(data.generated(rows, 5, seed=3), mu, loss)


def simulate(one: Problem, method: str, steps: int = 300, count: int = 60) -> Curve:
    found = optimum.solve(one)
    return runs.simulate(one, found.point, method, runs=count, steps=steps, seed=1, chunk=8)


def test_constants_of_a_problem_that_can_be_done_by_hand() -> None:
    # rows (3, 4) with label +1 only: ||x|| = 5; mu = 4: D = min(sqrt(1/4), 5/4) = 0.5,
    # G = 5 + 4 * 0.5 = 7, L = 4 max(0.5, 14/4)^2 = 49
    hinge = Problem(np.array([[3.0, 4.0], [3.0, 4.0]]), 4.0, "hinge")
    assert (hinge.radius, hinge.gradient_bound, hinge.bound) == (0.5, 7.0, 49.0)
    # the minimum lies at margin 1, w = x / 25: there mu w = 4/25 x <= x
    assert optimum.solve(hinge).point == pytest.approx([3 / 25, 4 / 25], abs=1e-9)


@BOTH
def test_no_gradient_in_the_ball_is_longer_than_g_and_one_is_as_long(loss: Loss) -> None:
    one = problem(loss)
    rng = np.random.default_rng(0)
    row = one.rows[int(one.norms.argmax())]
    worst = -one.radius * row / np.linalg.norm(row)
    points = [*(rng.uniform(0, 1) * runs.on_sphere(rng, 200, 5, one.radius)), worst]
    longest = [
        float(
            np.linalg.norm(one.slopes(one.rows @ w)[:, None] * one.rows + one.mu * w, axis=1).max()
        )
        for w in points
    ]
    assert max(longest) == pytest.approx(one.gradient_bound, rel=1e-12)
    assert longest[-1] == max(longest)


@BOTH
def test_slopes_are_the_derivatives_of_the_losses(loss: Loss) -> None:
    margins = np.array([-40.0, -2.0, -0.3, 0.4, 0.9, 1.2, 3.0])
    one, h = problem(loss), 1e-6
    numeric = (one.losses(margins + h) - one.losses(margins - h)) / (2 * h)
    assert one.slopes(margins) == pytest.approx(numeric, abs=1e-7)


@BOTH
@pytest.mark.parametrize("mu", [1.0, 0.01, 1e-4])
def test_the_minimum_is_certain_and_inside_the_ball(loss: Loss, mu: float) -> None:
    one = problem(loss, mu)
    found = optimum.solve(one)
    assert np.linalg.norm(found.point) <= one.radius
    assert found.distance < 1e-5
    rng = np.random.default_rng(0)
    for length in (1e-3, 1e-2, 1.0):
        for direction in runs.on_sphere(rng, 20, 5, length):
            rise = one.value(found.point + direction) - one.value(found.point)
            # strong convexity, which also proves that the minimum is where it is said to be
            assert rise >= mu / 2 * length**2 * (1 - 1e-3) - 1e-12


@BOTH
@pytest.mark.parametrize("method", runs.METHODS)
@pytest.mark.parametrize("mu", [1.0, 0.01])
def test_every_method_keeps_the_bound(loss: Loss, method: str, mu: float) -> None:
    one = problem(loss, mu)
    curve = simulate(one, method)
    assert curve.holds(one.bound)
    assert curve.longest <= one.gradient_bound * (1 + 1e-12)
    assert curve.error[-1] < 0.05 * curve.error[0]


@BOTH
def test_shrinking_avoids_steps_and_loses_nothing(loss: Loss) -> None:
    one = problem(loss, mu=1e-3)
    sgd, shrink, by_loss = (
        simulate(one, method, steps=1500) for method in ("sgd", "shrink", "shrink-loss")
    )
    assert sgd.skipped[-1] == 0
    assert shrink.skipped[-1] > 20
    assert by_loss.skipped[-1] > 50
    for curve in (shrink, by_loss):
        assert curve.computed[-1] < sgd.computed[-1]
        assert curve.error[-1] < 1.1 * sgd.error[-1]
    # the threshold falls as 1/k, so the avoided steps come first
    assert shrink.skipped[200] > 0.8 * shrink.skipped[-1]
    # nothing is longer than G = T_1, so the first step is always avoided
    assert shrink.skipped[0] == 1


def shrinks_always(one: Problem, w: Floats, k: int, rng: np.random.Generator) -> Step:
    return runs.shrink(one, w, 1, rng)


def follows_a_wrong_sign(one: Problem, w: Floats, k: int, rng: np.random.Generator) -> Step:
    step = runs.sgd(one, w, k, rng)
    return Step(-step.direction, step.computed, step.skipped)


@pytest.mark.parametrize("wrong", [shrinks_always, follows_a_wrong_sign])
def test_a_wrong_rule_breaks_the_bound(
    wrong: Callable[..., Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = problem("logistic", mu=1.0)
    monkeypatch.setitem(runs.RULES, "wrong", wrong)
    assert not simulate(one, "wrong", steps=600, count=20).holds(one.bound)


@BOTH
def test_importance_sampling_is_unbiased(loss: Loss) -> None:
    one = problem(loss, rows=40)
    w = np.tile(0.3 * np.ones(5), (200_000, 1))
    step = runs.importance(4)(one, w, 1, np.random.default_rng(0))
    error = step.direction.mean(axis=0) - one.gradient(w[0])
    assert (np.abs(error) < 5 * step.direction.std(axis=0) / np.sqrt(len(w))).all()
    # within a chunk every weighted gradient is as long as the chunk's mean: spread falls
    plain = runs.sgd(one, w, 1, np.random.default_rng(0))
    assert step.direction.var(axis=0).sum() < plain.direction.var(axis=0).sum()


def test_projection_moves_only_what_lies_outside() -> None:
    moved = runs.project(np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]]), 1.0)
    assert moved == pytest.approx(np.array([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


def test_the_same_seed_gives_the_same_curve() -> None:
    one = problem("hinge")
    first, second = (simulate(one, "shrink", steps=40) for _ in range(2))
    assert (first.error == second.error).all()


def test_a_minimum_that_is_not_certain_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimum, "PRECISION", 1e-30)
    with pytest.raises(UserError, match="`--mu` must be large enough"):
        optimum.solve(problem("hinge"))
