"""How likely a pair is wrong: the shares of all kinds among real pairs, and a calibrated sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoassist_fairseq.assistant import exact
from autoassist_fairseq.assistant.corpus.features import Floats
from autoassist_fairseq.assistant.exact import Doubles
from autoassist_fairseq.assistant.wrong import detector_kernels as kernels

# Where scores are compared: above the score of this share of the decoys of a kind.
LEVELS = (0.5,)
SWEEPS = 500
# Bins of the calibration, as many pairs in each.
BINS = 400
# No posterior is surer than these odds, in nats.
SUREST = 10.0


def kind_shares(real: Doubles, decoys: list[Doubles]) -> Doubles:
    """Return what share [K] of the real pairs is as the decoys of each kind are.

    Hardly any good pair is among the surest of a kind, so how many real pairs are there is the sum
    over kinds of their share times how many of their decoys are there (Storey's estimate of pi, for
    several kinds that look like each other). The nearest shares in the sense of least squares.

    Args:
        real: [P, K] scores of real pairs by each detector: the higher, the more like decoys.
        decoys: of each kind, [D, K] scores.
    """
    rows, sums = [], []
    for kind, own in enumerate(decoys):
        for level, limit in zip(
            LEVELS, np.quantile(own[:, kind], 1 - np.array(LEVELS)), strict=True
        ):
            rows.append([(other[:, kind] > limit).mean() / level for other in decoys])
            sums.append((real[:, kind] > limit).mean() / level)
    seen, told = np.array(rows), np.array(sums)
    shares, rest = np.zeros(len(decoys)), told.copy()
    for _ in range(SWEEPS):
        for kind in range(len(decoys)):
            column = seen[:, kind]
            step = exact.dot(column, rest) / max(exact.dot(column, column), 1e-12)
            step = max(step, -shares[kind])
            shares[kind] += step
            rest -= step * column
    return shares


@dataclass(frozen=True)
class Posterior:
    """Turns a score into log-odds.

    Attributes:
        edges: [B] scores where bins begin, but the first.
        odds: [B + 1] log-odds that a real pair in the bin is wrong.
    """

    edges: Doubles
    odds: Floats

    @classmethod
    def fit(cls, real: Doubles, decoys: list[Doubles], shares: Doubles) -> Posterior:
        """Calibrate on the scores of real pairs [P] and of the decoys of each kind [D].

        Real pairs are good ones and wrong ones: f = (1 - pi) g + pi f0. What is wrong of those of a
        score is pi f0 / f, which never falls as the score rises (local false discovery rate).
        """
        edges = np.unique(np.quantile(np.concatenate([real, *decoys]), np.arange(1, BINS) / BINS))
        f, *kinds = (
            np.bincount(np.searchsorted(edges, one, side="right"), minlength=len(edges) + 1)
            / max(len(one), 1)
            for one in (real, *decoys)
        )
        wrong = np.zeros(len(f))
        for share, one in zip(shares, kinds, strict=True):
            wrong += share * one
        heavy = f + 0.1 / len(real)
        ratio = wrong / heavy
        kernels.pool(ratio, heavy)
        like = np.clip(ratio, 1e-9, 1 - 1e-9)
        odds = np.clip(exact.log(like) - exact.log(1 - like), -SUREST, SUREST)
        return cls(edges, odds.astype(np.float32))

    def of(self, scores: Doubles) -> Floats:
        """Return the log-odds [P] that pairs with these ``scores`` [P] are wrong."""
        return self.odds[np.searchsorted(self.edges, scores, side="right")]
