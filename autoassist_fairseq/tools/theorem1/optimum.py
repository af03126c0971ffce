"""The minimum w*, from solvers that share nothing with the simulation, with a certificate.

Logistic: scipy's Newton-CG. Hinge: scikit-learn's liblinear (dual coordinate
descent), its active set then solved exactly. Neither is believed: strong convexity turns the
remaining gradient, or the duality gap, into a bound on the distance from the true minimum.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, cg
from sklearn.svm import LinearSVC

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.theorem1.problem import Floats, Problem

# How far the point may lie from the true minimum, relative to its length.
PRECISION = 1e-4
# From where Newton's method converges quadratically.
NEWTON_STEPS = 5
# How near a margin must be to 1 for its row to count as a support vector on the border.
BORDERS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


@dataclass(frozen=True)
class Optimum:
    """The minimum of F.

    Attributes:
        point: [C].
        distance: the true minimum is no farther from ``point`` than this.
    """

    point: Floats
    distance: float


def solve(problem: Problem) -> Optimum:
    """Return the minimum of ``problem``; `UserError` if it cannot be had precisely."""
    found = _hinge(problem) if problem.loss == "hinge" else _logistic(problem)
    if not found.distance <= PRECISION * max(1.0, float(np.linalg.norm(found.point))):
        raise UserError(
            f"`--mu` must be large enough for a precise minimum, but with {problem.mu:g} it is "
            f"known only to within {found.distance:.1e}; give a larger one."
        )
    return found


def _logistic(problem: Problem) -> Optimum:
    start = np.zeros(problem.rows.shape[1])
    options = {"method": "Newton-CG", "options": {"xtol": 1e-12, "maxiter": 1000}}
    hessian = partial(_hessian_times, problem)
    found = minimize(problem.value, start, jac=problem.gradient, hessp=hessian, **options)
    point = np.asarray(found.x)
    for _ in range(NEWTON_STEPS):  # its line search stops where F's rounding hides the slope
        point = point - _newton_step(problem, point)
    # mu ||w - w*|| <= ||grad F(w)||
    return Optimum(point, float(np.linalg.norm(problem.gradient(point))) / problem.mu)


def _hessian_times(problem: Problem, w: Floats, direction: Floats) -> Floats:
    slopes = problem.slopes(problem.rows @ w)
    curved = -slopes * (1 + slopes) * (problem.rows @ direction)
    return np.asarray(curved @ problem.rows / len(problem.rows) + problem.mu * direction)


def _newton_step(problem: Problem, w: Floats) -> Floats:
    operator = LinearOperator(
        (len(w), len(w)), matvec=partial(_hessian_times, problem, w), dtype=np.float64
    )
    step, _ = cg(operator, problem.gradient(w), rtol=1e-10, maxiter=1000)
    return np.asarray(step)


def _hinge(problem: Problem) -> Optimum:
    rows = problem.rows
    # liblinear wants labels: every other row is turned round, with its label.
    labels = np.where(np.arange(len(rows)) % 2 == 0, 1, -1)
    solver = LinearSVC(
        loss="hinge",
        C=1 / (len(rows) * problem.mu),
        fit_intercept=False,
        tol=1e-9,
        max_iter=20_000,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the certificate says whether it is good enough
        rough = np.asarray(solver.fit(rows * labels[:, None], labels).coef_[0], np.float64)
    return min((_polished(problem, rough, border) for border in BORDERS), key=lambda o: o.distance)


def _polished(problem: Problem, rough: Floats, border: float) -> Optimum:
    """Solve the optimality conditions exactly, with the rows within ``border`` at margin 1."""
    rows, scale = problem.rows, problem.mu * len(problem.rows)
    margins = rows @ rough
    at = np.abs(margins - 1) < border
    weights = (margins < 1).astype(np.float64)
    inside = weights * ~at @ rows / scale
    system = rows[at] @ rows[at].T / scale
    weights[at] = np.clip(np.linalg.lstsq(system, 1 - rows[at] @ inside)[0], 0, 1)
    point = weights @ rows / scale
    # mu/2 ||w - w*||^2 <= F(w) - dual(weights); rounding can take the gap below zero
    value = problem.value(point)
    gap = value - (weights.mean() - problem.mu / 2 * (point @ point))
    gap = max(float(gap), float(np.finfo(np.float64).eps) * value)
    return Optimum(np.asarray(point), math.sqrt(2 * gap / problem.mu))
