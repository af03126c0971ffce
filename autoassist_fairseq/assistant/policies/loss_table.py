"""The last loss of every pair, for policies that go by remembered losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.policies.rules import Floats
from autoassist_fairseq.errors import ANEW, StateError


class LossTable:
    """Remembered losses: 4 bytes per pair.

    Args:
        pairs: pairs in the corpus.

    Attributes:
        losses: [pairs] nats per target token; NaN = never trained on.
    """

    def __init__(self, pairs: int) -> None:
        self.losses: Floats = np.full(pairs, np.nan, np.float32)

    def learn(self, pairs: NDArray[Any], losses: Floats) -> None:
        """Remember ``losses`` [P] of ``pairs`` [P]; those missing or not finite change nothing."""
        known = np.isfinite(losses) & (losses >= 0)
        self.losses[pairs[known]] = losses[known]

    def mean(self, pairs: PairIds) -> float:
        """Return the mean of what is known of ``pairs``; NaN if nothing is."""
        losses = pairs.of(self.losses)
        known = losses[~np.isnan(losses)]
        return float(known.mean(dtype=np.float64)) if len(known) else float("nan")

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain arrays."""
        return {"losses": self.losses.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        losses = np.array(state["losses"], np.float32)
        if losses.shape != self.losses.shape:
            raise StateError(
                f"`--restore-file` must remember {len(self.losses):,} losses, one for each pair of "
                f"`DATA`, but remembers {len(losses):,}; begin on this data with {ANEW}."
            )
        self.losses = losses
