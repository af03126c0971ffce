"""Strongly convex problems that meet the conditions of Theorem 1, with their constants.

F(w) = mu/2 ||w||^2 + 1/N sum_i loss(y_i <w, x_i>), as in Pegasos, with hinge or logistic loss.
Every row's f_i holds the regulariser, so that F is the mean of the f_i.

Letters: N rows, C columns, S independent runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
Loss = Literal["hinge", "logistic"]
LOSSES: tuple[Loss, ...] = ("hinge", "logistic")


@dataclass(frozen=True)
class Problem:
    """One regularised linear classification problem.

    Attributes:
        rows: [N, C] float64, every row times its label: y_i x_i; not all zero.
        mu: strength of the regulariser, > 0; F is mu-strongly convex.
        loss: ``hinge`` max(0, 1 - m) or ``logistic`` log(1 + exp(-m)) of the margin m.
    """

    rows: Floats
    mu: float
    loss: Loss

    @cached_property
    def norms(self) -> Floats:
        """||x_i||, [N]."""
        return np.asarray(np.linalg.norm(self.rows, axis=1))

    def losses(self, margins: Floats) -> Floats:
        """The loss of each margin, in nats for the logistic one."""
        if self.loss == "hinge":
            return np.maximum(0.0, 1.0 - margins)
        return np.logaddexp(0.0, -margins)

    def slopes(self, margins: Floats) -> Floats:
        """Derivative of the loss by the margin, in [-1, 0]; a subgradient for the hinge."""
        if self.loss == "hinge":
            return -(margins < 1.0).astype(np.float64)
        return np.asarray(-expit(-margins))

    def value(self, w: Floats) -> float:
        """F at ``w`` [C]."""
        return float(self.losses(self.rows @ w).mean() + self.mu / 2 * (w @ w))

    def gradient(self, w: Floats) -> Floats:
        """The (sub)gradient [C] of F at ``w`` [C]."""
        mean = self.slopes(self.rows @ w) @ self.rows / len(self.rows)
        return np.asarray(mean + self.mu * w)

    @property
    def radius(self) -> float:
        """D: a radius of a ball around zero that holds the minimum w*, known beforehand.

        Two bounds hold, and the smaller is taken. Stationarity gives mu w* as a mean of slopes in
        [-1, 0] times rows, so ||w*|| <= mean ||x_i|| / mu. And mu/2 ||w*||^2 <= F(w*) <= F(0),
        which is log 2 for the logistic loss; for the hinge, strong duality halves it: with dual
        weights a_i in [0, 1], mu ||w*||^2 = mean a_i - mean loss <= 1 (Pegasos, section 2).
        """
        squared = 1.0 if self.loss == "hinge" else 2.0 * math.log(2.0)
        return min(math.sqrt(squared / self.mu), float(self.norms.mean()) / self.mu)

    @property
    def gradient_bound(self) -> float:
        """G: the largest ||grad f_i(w)|| over all rows and all w with ||w|| <= D; it is attained.

        ||slope y x + mu w|| <= |slope| ||x|| + mu D, and both terms are largest, and in line, at
        w = -D y x / ||x||, where the margin is -D ||x||.
        """
        worst = -self.slopes(-self.radius * self.norms) * self.norms
        return float(worst.max()) + self.mu * self.radius

    @property
    def bound(self) -> float:
        """L = 4 max(D, 2 G / mu)^2: Theorem 1 says E ||w_k - w*||^2 <= L / k for k = 1, 2, ..."""
        return float(4 * max(self.radius, 2 * self.gradient_bound / self.mu) ** 2)
