"""Surprises of short and long targets, made comparable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant import exact
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies.rules import Floats


@dataclass(frozen=True)
class Standard:
    """What is usual at each length of the target.

    A surprise per token is a mean over tokens: it scatters as one over the root of their number.
    And what is expected of short targets is a little off, so that its mean moves with the length.

    Attributes:
        level, tilt: the mean surprise is ``level + tilt * log(tokens)``, in nats per token.
        spread: standard deviation of what is beyond, times the root of the tokens.
    """

    level: float = 0.0
    tilt: float = 0.0
    spread: float = 1.0

    @classmethod
    def saved(cls, state: Mapping[str, float]) -> Standard:
        """Return the standard in ``state``, which may hold more, or nothing of it."""
        return cls(**{one.name: state[one.name] for one in fields(cls) if one.name in state})

    def apply(self, surprises: Floats, tokens: Ints) -> Floats:
        """Return standard surprises [P]: how many standard deviations beyond the usual.

        Args:
            surprises: [P] nats per target token; NaN stays NaN.
            tokens: [P] of the targets, 1 or more.
        """
        beyond = surprises - (self.level + self.tilt * exact.log(tokens))
        return (beyond * np.sqrt(tokens) / self.spread).astype(np.float32)


def standard_of(surprises: Floats, tokens: Ints, weights: NDArray[Any]) -> Standard:
    """Return the standard that ``surprises`` [P] of targets of so many ``tokens`` [P] set.

    Args:
        surprises: [P] nats per target token, finite.
        tokens: [P] of the targets, 1 or more.
        weights: [P] how much each pair counts.
    """
    # In closed form: linear algebra may add up in an order that depends on its threads. A long
    # target tells more than a short one, hence its tokens in the weights.
    if not len(surprises):
        return Standard()
    heavy, lengths = weights * tokens, exact.log(tokens)
    level, middle = np.average(surprises, weights=heavy), np.average(lengths, weights=heavy)
    apart = lengths - middle
    scatter = max(np.average(apart**2, weights=heavy), 1e-9)
    tilt = np.average(apart * (surprises - level), weights=heavy) / scatter
    centred = Standard(float(level - tilt * middle), float(tilt))
    beyond = centred.apply(surprises, tokens).astype(np.float64)
    spread = float(np.sqrt(np.average(beyond**2, weights=weights)))
    return replace(centred, spread=max(spread, 1e-6))
