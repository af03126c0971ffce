"""The second model: what tells decoys of a kind from real pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autoassist_fairseq.assistant.corpus.features import Floats
from autoassist_fairseq.assistant.exact import Doubles
from autoassist_fairseq.assistant.wrong import detector_kernels as kernels

RIDGE, STEPS = 1e-4, 8
# Deviations beyond which evidence counts no more.
FARTHEST = 6.0


@dataclass(frozen=True)
class Detector:
    """Tells decoys of one kind from real pairs.

    Attributes:
        middle, spread: [F] what evidence is scaled by.
        weights: [F + 1] of a logistic regression; the last is the bias.
    """

    middle: Doubles
    spread: Doubles
    weights: Doubles

    @classmethod
    def fit(cls, real: Floats, decoys: Floats) -> Detector:
        """Learn from evidence on real pairs [P, F] and on decoys [D, F]."""
        both = np.vstack([real, decoys]).astype(np.float64)
        middle, spread = both.mean(0), np.maximum(both.std(0), 1e-6)
        labels = np.repeat([0.0, 1.0], [len(real), len(decoys)])
        weights = kernels.fit(_scaled(both, middle, spread), labels, RIDGE, STEPS)
        weights[-1] -= math.log(len(decoys) / len(real))
        return cls(middle, spread, weights)

    def score(self, evidence: Floats) -> Doubles:
        """Return log(f0 / f) [P] of pairs with this ``evidence`` [P, F]: the higher, the worse."""
        out = np.empty(len(evidence))
        rows = _scaled(evidence.astype(np.float64), self.middle, self.spread)
        kernels.score(rows, self.weights, out)
        return out


def _scaled(evidence: Doubles, middle: Doubles, spread: Doubles) -> Doubles:
    scaled = np.clip((evidence - middle) / spread, -FARTHEST, FARTHEST)
    return np.ascontiguousarray(np.hstack([scaled, np.ones((len(scaled), 1))]))
