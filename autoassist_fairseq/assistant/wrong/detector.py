"""The second model: real pairs against decoys of a kind, and how many real ones are like them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoassist_fairseq.assistant import exact
from autoassist_fairseq.assistant.corpus.features import Floats
from autoassist_fairseq.assistant.exact import Doubles
from autoassist_fairseq.assistant.wrong import detector_kernels as kernels

RIDGE, STEPS = 1e-4, 12
# Bins of the decoys' scores, as many decoys in each; real pairs in the lowest at least.
BINS = 200
# No posterior is surer than these odds, in nats.
SUREST = 10.0


@dataclass(frozen=True)
class Detector:
    """Tells decoys of one kind.

    Attributes:
        middle, spread: [F] what evidence is scaled by.
        weights: [F + 1] of a logistic regression; the last is the bias.
        edges: [B] scores at which bins begin, but the first.
        odds: [B + 1] log-odds that a real pair in the bin is as the decoys.
        share: of the real pairs that are as the decoys, in [0, 1].
    """

    middle: Doubles
    spread: Doubles
    weights: Doubles
    edges: Doubles
    odds: Floats
    share: float

    @classmethod
    def fit(cls, real: Floats, decoys: Floats) -> Detector:
        """Learn from evidence on real pairs [P, F] and on decoys [D, F]."""
        both = np.vstack([real, decoys]).astype(np.float64)
        middle, spread = both.mean(0), np.maximum(both.std(0), 1e-6)
        rows = _scaled(both, middle, spread)
        labels = np.repeat([1.0, 0.0], [len(real), len(decoys)])
        weights = kernels.fit(rows, labels, RIDGE, STEPS)
        out = np.empty(len(rows))
        kernels.score(rows, weights, out)
        edges, odds, share = calibrate(out[: len(real)], out[len(real) :])
        return cls(middle, spread, weights, edges, odds, share)

    def log_odds(self, evidence: Floats) -> Floats:
        """Return the log-odds [P] that pairs with this ``evidence`` [P, F] are as the decoys."""
        out = np.empty(len(evidence))
        rows = _scaled(evidence.astype(np.float64), self.middle, self.spread)
        kernels.score(rows, self.weights, out)
        return self.odds[np.searchsorted(self.edges, out, side="right")]


def _scaled(evidence: Doubles, middle: Doubles, spread: Doubles) -> Doubles:
    scaled = np.clip((evidence - middle) / spread, -8, 8)
    return np.ascontiguousarray(np.hstack([scaled, np.ones((len(scaled), 1))]))


def calibrate(real: Doubles, decoys: Doubles) -> tuple[Doubles, Floats, float]:
    """Return edges [B], log-odds [B + 1] and the share of the real that are as the decoys.

    Real pairs are good ones and such as are like the decoys: f = (1 - pi) g + pi f0, and hardly
    any good one scores below the middle decoy (Storey's estimate of pi). What is like the decoys
    among real pairs of a score is pi f0 / f there, which never falls as the score falls.

    Args:
        real: [P] scores of real pairs: the higher, the better.
        decoys: [D] scores of decoys.
    """
    quantiles = np.quantile(decoys, np.arange(1, BINS) / BINS)
    edges = np.unique(np.append(quantiles, decoys.max()))
    counts = [
        np.bincount(np.searchsorted(edges, scores, side="right"), minlength=len(edges) + 1)
        for scores in (real, decoys)
    ]
    share = min(1.0, 2 * float((real < np.median(decoys)).mean()))
    f, f0 = (counts[0] + 0.5) / len(real), (counts[1] + 1e-3) / len(decoys)
    ratio = f / f0
    kernels.pool(ratio, f0)
    like = np.clip(share / ratio, 0, 1)
    odds = exact.log(np.maximum(like, 1e-9)) - exact.log(np.maximum(1 - like, 1e-9))
    return edges, np.clip(odds, -SUREST, SUREST).astype(np.float32), share
