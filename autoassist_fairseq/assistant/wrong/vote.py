"""The Boss's vote: what its surprise adds to the log-odds, by the text, that a pair is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant import exact
from autoassist_fairseq.assistant.exact import Doubles

ROUNDS = 20
# Fewer measured pairs that are wrong by their text do not say what surprises wrong pairs make.
LEAST = 30.0
# The most log-odds that one vote takes off: as many as text says at most. More let halves come
# back, which surprise hardly tells.
MOST = 8.0


@dataclass(frozen=True)
class Vote:
    """A line over the standard surprise; by default, no vote.

    Attributes:
        slope: log-odds per standard deviation, 0 or more.
        middle: the standard surprise that says nothing.
        most: log-odds of the surprise that is usual for wrong pairs: one beyond it says no more,
            for it may be that of a difficult pair.
    """

    slope: float = 0.0
    middle: float = 0.0
    most: float = 0.0

    def apply(self, surprises: NDArray[Any]) -> Doubles:
        """Return what standard ``surprises`` [P] add to log-odds [P]; 0 where they are NaN."""
        votes = self.slope * (surprises.astype(np.float64) - self.middle)
        return np.clip(np.nan_to_num(votes), -MOST, self.most)


def vote_of(surprises: NDArray[Any], odds: NDArray[Any], weights: NDArray[Any]) -> Vote:
    """Return the vote that standard ``surprises`` of pairs with these log-``odds`` make.

    The surprises of right and of wrong pairs are two normal distributions of one width, fitted by
    expectation maximisation, where each pair has its own share of either before it is measured:
    what its text says. The logarithm of their ratio is a line.

    Args:
        surprises: [P] finite.
        odds: [P] log-odds that a pair is wrong, by its text.
        weights: [P] how many pairs each stands for.
    """
    vote, values = Vote(), surprises.astype(np.float64)
    for _ in range(ROUNDS):
        wrong = 1 / (1 + exact.exp(-(odds + vote.slope * (values - vote.middle))))
        if wrong.sum() < LEAST or (1 - wrong).sum() < LEAST:
            return Vote()
        parts = [weights * wrong, weights * (1 - wrong)]
        means = [exact.dot(part, values) / float(part.sum()) for part in parts]
        squares = [
            exact.dot(part, (values - mean) ** 2) for part, mean in zip(parts, means, strict=True)
        ]
        spread = max(sum(squares) / float(weights.sum()), 1e-6)
        apart = max(means[0] - means[1], 0.0)
        vote = Vote(apart / spread, (means[0] + means[1]) / 2, apart**2 / spread / 2)
    return vote
