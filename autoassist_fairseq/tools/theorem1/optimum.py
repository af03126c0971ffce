"""The minimum w*, from solvers that share nothing with the simulation, with a certificate.

Both are scikit-learn's. Logistic: Newton's method with conjugate gradients. Hinge: liblinear (dual
coordinate descent), its active set then solved exactly. Neither is believed: strong convexity turns
the remaining gradient, or the duality gap, into a bound on the distance from the true minimum.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.theorem1.problem import Floats, Problem

# How far the point may lie from the true minimum, relative to its length.
PRECISION = 1e-4
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
    point = _fitted(problem, LogisticRegression(solver="newton-cg", tol=1e-14, max_iter=1000))
    # mu ||w - w*|| <= ||grad F(w)||
    return Optimum(point, float(np.linalg.norm(problem.gradient(point))) / problem.mu)


def _hinge(problem: Problem) -> Optimum:
    rough = _fitted(problem, LinearSVC(loss="hinge", tol=1e-9, max_iter=20_000, random_state=0))
    return min((_polished(problem, rough, border) for border in BORDERS), key=lambda o: o.distance)


def _fitted(problem: Problem, solver: Any) -> Floats:
    rows = problem.rows
    # Classifiers want labels: every other row is turned round, with its label.
    labels = np.where(np.arange(len(rows)) % 2 == 0, 1, -1)
    solver.set_params(C=1 / (len(rows) * problem.mu), fit_intercept=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the certificate says whether it is good enough
        return np.asarray(solver.fit(rows * labels[:, None], labels).coef_[0], np.float64)


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
