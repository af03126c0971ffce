"""Stochastic gradient descent from many seeds at once: plain, importance-sampled, and shrinking.

At step k = 1, 2, ... a row i is drawn and w_{k+1} = project(w_k - g / (mu k)), where g is

* ``sgd``: grad f_i(w_k);
* ``importance``: the same of a row drawn in proportion to its gradient norm from a uniform chunk,
  divided by its probability, which makes it unbiased (the paper's appendix C);
* ``shrink``: zero if ||grad f_i(w_k)|| <= T_k = G / k, as Theorem 1 has it;
* ``shrink-loss``: only the *loss's* part of the gradient is left out when its norm is <= G / k;
  the regulariser's, which costs no look at the row, is always applied. The proof holds as it
  stands: what is left out is no longer than G / k, and what is applied (mu w, or all) than G.

The proof multiplies by 1 - 2/k, which is negative for k = 1, so its induction only starts at k = 2.
The bound holds there all the same: strong convexity gives ||w - w*|| <= G / mu in the whole ball,
so that ||w_k - w*||^2 <= L / 16 at every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.tools.theorem1.problem import Floats, Problem


@dataclass(frozen=True)
class Step:
    """One step of S runs.

    Attributes:
        direction: g, [S, C].
        computed: [S] bool, whether the row's loss had a gradient that was computed and applied.
        skipped: [S] bool, whether the shrinking rule left the row out.
    """

    direction: Floats
    computed: NDArray[np.bool_]
    skipped: NDArray[np.bool_]


Rule = Callable[[Problem, Floats, int, np.random.Generator], Step]


@dataclass(frozen=True)
class Curve:
    """What S runs of K steps did.

    Attributes:
        method: name of the rule.
        error: [K] mean of ||w_k - w*||^2, before step k.
        deviation: [K] standard error of that mean.
        computed: [K] loss gradients computed and applied up to and with step k, mean over runs. A
            row beyond the hinge's margin has none, with or without shrinking.
        skipped: [K] rows that the shrinking rule left out up to and with step k, mean over runs.
        longest: the longest g that was applied.
        looked: rows whose margin was computed at each step; shrinking looks too, while in
            AutoAssist the Assistant guesses.
    """

    method: str
    error: Floats
    deviation: Floats
    computed: Floats
    skipped: Floats
    longest: float
    looked: int

    def holds(self, bound: float) -> bool:
        """Whether the mean error plus three standard errors is <= bound / k throughout."""
        k = np.arange(1, len(self.error) + 1)
        return bool((self.error + 3 * self.deviation <= bound / k).all())


def simulate(
    problem: Problem, optimum: Floats, method: str, *, runs: int, steps: int, seed: int, chunk: int
) -> Curve:
    """Run ``runs`` seeds of ``method`` side by side for ``steps`` steps.

    Every method begins at the same points, drawn from the sphere of radius D; those that draw rows
    uniformly draw the same ones.
    """
    rule = importance(chunk) if method == "importance" else RULES[method]
    rng = np.random.default_rng([seed, 1])
    w = on_sphere(rng, runs, problem.rows.shape[1], problem.radius)
    sums = np.zeros((4, steps))
    longest = 0.0
    for k in range(1, steps + 1):
        squared = ((w - optimum) ** 2).sum(axis=1)
        step = rule(problem, w, k, rng)
        longest = max(longest, float(_lengths(step.direction).max()))
        spread = squared.std(ddof=1) / np.sqrt(runs)
        sums[:, k - 1] = squared.mean(), spread, step.computed.mean(), step.skipped.mean()
        w = project(w - step.direction / (problem.mu * k), problem.radius)
    looked = chunk if method == "importance" else 1
    return Curve(method, sums[0], sums[1], sums[2].cumsum(), sums[3].cumsum(), longest, looked)


def on_sphere(rng: np.random.Generator, runs: int, columns: int, radius: float) -> Floats:
    """Return points [S, C] drawn uniformly from the sphere of ``radius``."""
    points = rng.normal(size=(runs, columns))
    return np.asarray(points * (radius / _lengths(points))[:, None])


def project(w: Floats, radius: float) -> Floats:
    """Return the nearest points [S, C] to ``w`` with length <= ``radius``."""
    return np.asarray(w * np.minimum(1, radius / np.maximum(_lengths(w), 1e-300))[:, None])


def sgd(problem: Problem, w: Floats, k: int, rng: np.random.Generator) -> Step:
    """Follow the gradient of a row drawn at random."""
    loss_part = _drawn(problem, w, rng)
    computed = np.asarray(loss_part.any(axis=1))
    return Step(loss_part + problem.mu * w, computed, np.zeros(len(w), bool))


def shrink(problem: Problem, w: Floats, k: int, rng: np.random.Generator) -> Step:
    """Leave the step out if the gradient is no longer than G / k."""
    step = sgd(problem, w, k, rng)
    keep = np.asarray(_lengths(step.direction) > problem.gradient_bound / k)
    return Step(step.direction * keep[:, None], keep & step.computed, ~keep)


def shrink_loss(problem: Problem, w: Floats, k: int, rng: np.random.Generator) -> Step:
    """Leave out the loss's part of the gradient if it is no longer than G / k."""
    loss_part = _drawn(problem, w, rng)
    keep = np.asarray(_lengths(loss_part) > problem.gradient_bound / k)
    return Step(loss_part * keep[:, None] + problem.mu * w, keep, np.logical_not(keep))


def importance(chunk: int) -> Rule:
    """Return importance sampling by gradient norm within uniform chunks of ``chunk`` rows."""

    def rule(problem: Problem, w: Floats, k: int, rng: np.random.Generator) -> Step:
        drawn = rng.integers(len(problem.rows), size=(len(w), chunk))
        margins = np.einsum("scd,sd->sc", problem.rows[drawn], w)
        slopes = problem.slopes(margins)
        # ||slope z + mu w|| of every row z of the chunk [S, chunk], from inner products alone
        own = (problem.mu**2 * (w * w).sum(axis=1))[:, None]
        squared = (slopes * problem.norms[drawn]) ** 2 + 2 * problem.mu * slopes * margins + own
        norms = np.sqrt(np.maximum(squared, 0))
        total = norms.sum(axis=1)
        pick = (norms.cumsum(axis=1) < (rng.random(len(w)) * total)[:, None]).sum(axis=1)
        at = np.arange(len(w)), np.minimum(pick, chunk - 1)
        loss_part = slopes[at][:, None] * problem.rows[drawn[at]]
        # 1 / (chunk p), with p = norm / total; where all norms are zero, so is the gradient
        weight = total / (chunk * np.maximum(norms[at], 1e-300))
        direction = weight[:, None] * (loss_part + problem.mu * w)
        return Step(direction, np.asarray(slopes[at] < 0), np.zeros(len(w), bool))

    return rule


RULES: dict[str, Rule] = {"sgd": sgd, "shrink": shrink, "shrink-loss": shrink_loss}
METHODS = ("sgd", "importance", "shrink", "shrink-loss")


def _drawn(problem: Problem, w: Floats, rng: np.random.Generator) -> Floats:
    """Return the loss's part of the gradient [S, C] of one random row for each run."""
    rows = problem.rows[rng.integers(len(problem.rows), size=len(w))]
    return np.asarray(problem.slopes((rows * w).sum(axis=1))[:, None] * rows)


def _lengths(vectors: Floats) -> Floats:
    return np.asarray(np.sqrt((vectors * vectors).sum(axis=1)))
