"""Who is kept: pure functions from what the Assistant believes to keep probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float32]


def safeguard_rate(base_prob: float, confidence: float) -> float:
    """Return s = max(base, 1 - gamma): the chance to be kept whatever the Assistant says."""
    return max(base_prob, 1.0 - confidence)


def shrink(not_trivial: Probabilities, safeguard: float) -> Probabilities:
    """Return P(keep) = s + (1 - s) g for g = ``not_trivial`` [P] (the paper's shrinking rule)."""
    keep: Probabilities = np.float32(safeguard) + np.float32(1 - safeguard) * not_trivial
    return keep


def uniform(not_trivial: Probabilities, safeguard: float) -> Probabilities:
    """Return P(keep) = 1 for every pair: plain SGD over the same planner."""
    return np.ones_like(not_trivial)


KEEP = {"shrink": shrink, "uniform": uniform}
