"""Running loss statistics: the shrinking threshold T, and the Assistant's confidence gamma."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Nats per token; a larger loss is as bad, and would drown all others in every mean.
LARGEST_LOSS = np.float32(1000)
# The threshold looks back on a quarter of the corpus, and on this many pairs at most.
LONGEST_HORIZON = 131_072
# Weight of the past in the confidence, per update (AutoAssist 2019).
CONFIDENCE_DECAY = 0.95
# Before anything is learned the Assistant is worth a coin.
COIN = 0.5


class Threshold:
    """T, the loss that divides trivial pairs from others: the mean of the recent past.

    Args:
        horizon: pairs after which a loss has faded to 1/e of its weight.
    """

    def __init__(self, horizon: float) -> None:
        self.horizon = float(horizon)
        self._sum, self._count = 0.0, 0.0

    @property
    def value(self) -> float:
        """T in nats per target token; NaN before the first loss."""
        return self._sum / self._count if self._count else math.nan

    def add(self, losses: NDArray[np.float32]) -> None:
        """Add the finite losses [P] of one update."""
        decay = math.exp(-len(losses) / self.horizon)
        self._sum = self._sum * decay + float(losses.sum(dtype=np.float64))
        self._count = self._count * decay + len(losses)

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain types and arrays."""
        return {"sum": self._sum, "count": self._count, "horizon": self.horizon}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self._sum, self._count = float(state["sum"]), float(state["count"])
        self.horizon = float(state["horizon"])  # the first of several folders set it


class Confidence:
    """gamma: running mean of the prequential accuracy, in [0, 1]."""

    def __init__(self) -> None:
        self.value = COIN

    def add(self, accuracy: float) -> None:
        """Add the accuracy, in [0, 1], of one update."""
        self.value = CONFIDENCE_DECAY * self.value + (1 - CONFIDENCE_DECAY) * accuracy
