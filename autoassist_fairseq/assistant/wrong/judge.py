"""Real pairs against decoys of all kinds: what tells them apart, how many real ones are such."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant import exact
from autoassist_fairseq.assistant.corpus.features import Floats
from autoassist_fairseq.assistant.exact import Doubles
from autoassist_fairseq.assistant.wrong.detector import Detector
from autoassist_fairseq.assistant.wrong.evidence import LONGER, SIGNS
from autoassist_fairseq.assistant.wrong.posterior import SUREST, Posterior, kind_shares
from autoassist_fairseq.assistant.wrong.trees import Trees

# A share of the real pairs that is none.
RARE = 1e-4
# Where fewer real pairs are wrong, they are too few for the trees to learn them as right ones.
FEW = 0.02
# The share of real pairs, at either end, whose ratio of lengths counts as out of reach; and how
# many decoys of a kind there must be for it to be looked for.
TAIL, LEAST_DECOYS = 0.0005, 100


@dataclass(frozen=True)
class Judge:
    """Judges by evidence.

    Attributes:
        kinds: [K] places in `decoys.KINDS`, of those that decoys were made of.
        detectors: [K] of each kind, for its share and its name.
        shares: [K] of the real pairs that are of each kind.
        trees: tell wrong from right.
        posterior: what their score means.
    """

    kinds: NDArray[np.uint8]
    detectors: list[Detector]
    shares: Doubles
    trees: Trees
    posterior: Posterior

    @classmethod
    def fit(cls, real: Floats, decoys: Mapping[int, Floats]) -> Judge:
        """Learn from evidence on real pairs [P, F] and on decoys of each kind [D, F]."""
        decoys = possible(real, decoys)
        detectors = [Detector.fit(real, wrong) for wrong in decoys.values()]
        scored = [
            np.stack([one.score(rows) for one in detectors], 1) for rows in (real, *decoys.values())
        ]
        shares = kind_shares(scored[0], scored[1:])
        mixed = _mixed(real, _good(scored[0], shares), list(decoys.values()), shares)
        trees = Trees.fit(*mixed, SIGNS)
        wrong = [trees.score(some) for some in decoys.values()]
        posterior = Posterior.fit(trees.score(real), wrong, shares)
        return cls(np.array(list(decoys), np.uint8), detectors, shares, trees, posterior)

    def of(self, evidence: Floats) -> tuple[NDArray[np.uint8], Floats]:
        """Return the likeliest kind [P] of pairs with this ``evidence`` [P, F], and log-odds [P].

        The odds are those that a pair is wrong, the kind is what it would be then.
        """
        by_kind = np.stack([one.score(evidence) for one in self.detectors], 1)
        likeliest = np.argmax(by_kind + exact.log(np.maximum(self.shares, 1e-9)), 1)
        return self.kinds[likeliest], self.posterior.of(self.trees.score(evidence))


def possible(real: Floats, decoys: Mapping[int, Floats]) -> dict[int, Floats]:
    """Return those of the ``decoys`` [D, F] of each kind that the ``real`` pairs [P, F] could hold.

    Corpora were aligned by length, or filtered by its ratio: what fell out is not there to be
    counted, and what was left looks less wrong than most decoys. If nothing is possible, all is.
    """
    low, high = np.quantile(real[:, LONGER], [TAIL, 1 - TAIL])
    within = {
        kind: rows[(low <= rows[:, LONGER]) & (rows[:, LONGER] <= high)]
        for kind, rows in decoys.items()
    }
    enough = {kind: rows for kind, rows in within.items() if len(rows) >= LEAST_DECOYS}
    return enough or dict(decoys)


def _good(scores: Doubles, shares: Doubles) -> Doubles:
    """Return how likely real pairs with ``scores`` [P, K] by the detectors are right, in [0, 1].

    Real pairs that are wrong are not decoys to the last detail. Did they count as right ones, trees
    would learn what tells them from decoys.
    """
    wrong = np.zeros(len(scores))
    if shares.sum() > FEW:
        for column, share in zip(scores.T, shares, strict=True):
            wrong += share * exact.exp(np.minimum(column, SUREST))
    return 1 - np.minimum(wrong, 1.0)


def _mixed(
    real: Floats, good: Doubles, decoys: list[Floats], shares: Doubles
) -> tuple[Floats, Doubles, Doubles]:
    """Return rows [N, F], labels (1: decoy) and weights [N]: of real pairs and decoys.

    Real pairs weigh as much as they are likely to be ``good`` [P], decoys of a kind as there are of
    that kind among the wrong real pairs. Kinds that are hardly there are left out; if none is
    there, all of them stand for what could be.
    """
    mix = shares if shares.max() > RARE else np.ones(len(shares))
    mix = np.where(mix > RARE, mix, 0) / mix[mix > RARE].sum()
    kept = [(rows, part) for rows, part in zip(decoys, mix, strict=True) if part > 0 and len(rows)]
    weights = [np.full(len(rows), part * len(real) / len(rows)) for rows, part in kept]
    labels = np.repeat([0.0, 1.0], [len(real), sum(len(rows) for rows, _ in kept)])
    rows = np.vstack([real, *(rows for rows, _ in kept)])
    return rows, labels, np.concatenate([good, *weights])
