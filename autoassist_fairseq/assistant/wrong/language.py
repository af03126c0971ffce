"""Another language among the targets: a second way of writing that the sources do not tell of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant import exact
from autoassist_fairseq.assistant.corpus.features import Floats
from autoassist_fairseq.assistant.corpus.token_store import Ragged
from autoassist_fairseq.assistant.exact import Doubles
from autoassist_fairseq.assistant.wrong import evidence_kernels as kernels
from autoassist_fairseq.assistant.wrong.lexicon import Sides, Way

# Of the pairs, those that are taken for the other language to begin with; rounds of EM.
BEGIN, ROUNDS = 0.03, 12
# Words that say as much about a language as all words of the corpus do.
PRIOR = 200.0
# No word says more than this, in nats; words of a sentence repeat each other.
MOST, DAMPING = 4.0, 0.5
# fairseq's word for all that are not in the dictionary.
UNKNOWN_WORD = 3
# Two languages share fewer words than this (Bhattacharyya's coefficient), two topics more.
DIFFERENT = 0.75


@dataclass(frozen=True)
class Language:
    """Tells another language by its words.

    Attributes:
        words: [V'] float32, log-odds that a word speaks for it.
        bias: log-odds of a pair to be in it.
        alike: how much it has in common with what the sources call for, in [0, 1].
    """

    words: Floats
    bias: float
    alike: float

    @property
    def other(self) -> bool:
        """Whether there is another language at all."""
        return self.alike < DIFFERENT and self.bias < 0

    def log_odds(self, target: Ragged) -> Doubles:
        """Return the log-odds [P] that each of ``target`` is in the other language."""
        return self.bias + DAMPING * _sums(target, self.words)

    @classmethod
    def fit(cls, sides: Sides, way: Way, costs: Floats, worths: Floats) -> Language:
        """Look for another language among the targets of ``sides``.

        Begins with targets that their sources explain, but that are written in rarer words than
        those call for, and goes on as a mixture of two ways to choose words.

        Args:
            sides: pairs.
            way: the lexicon from source to target.
            costs: [V'] float32, of the target's words, nats.
            worths: [P] of the sources for the targets, nats per token.
        """
        surplus = _means(sides.target, costs) - _means(sides.source, expected(way, costs))
        surplus[worths < np.median(worths)] = -np.inf
        chances = (surplus > np.quantile(surplus, 1 - BEGIN)).astype(np.float64)
        sizes = np.diff(sides.target.offsets)
        everything = np.bincount(sides.target.tokens, minlength=len(costs)).astype(np.float64)
        usual = (everything + 1e-3) / (everything + 1e-3).sum()
        words, bias = np.zeros(len(costs), np.float32), 0.0
        for _ in range(ROUNDS):
            theirs = np.zeros(len(costs))
            kernels.count(sides.target.tokens, sides.target.offsets, chances, theirs)
            mine = everything - theirs
            both = [(c + PRIOR * usual) / (c.sum() + PRIOR) for c in (theirs, mine)]
            odds = exact.log(both[0]) - exact.log(both[1])
            words = np.clip(odds, -MOST, MOST).astype(np.float32)
            share = min(max(float(chances.mean()), 1e-6), 1 - 1e-6)
            bias = math.log(share / (1 - share))
            scores = bias + DAMPING * _sums(sides.target, words)
            chances = 1 / (1 + exact.exp(-np.clip(scores, -30, 30)))
        chances[sizes == 0] = 0
        return cls(words, bias, _alike(sides, way, chances, usual))


def _alike(sides: Sides, way: Way, chances: Doubles, usual: Doubles) -> float:
    """Return how much the targets with these ``chances`` [P] are what their sources call for."""
    theirs, sources = np.zeros(len(usual)), np.zeros(len(way.rest))
    kernels.count(sides.target.tokens, sides.target.offsets, chances, theirs)
    kernels.count(sides.source.tokens, sides.source.offsets, chances, sources)
    rest = float((sources * way.rest).sum())
    called = usual * rest
    kernels.translate(way.begins, way.words, way.lifts, sources, usual, called)
    theirs[UNKNOWN_WORD] = called[UNKNOWN_WORD] = 0  # says nothing of a language
    both = theirs / max(theirs.sum(), 1e-9), called / max(called.sum(), 1e-9)
    return float(np.sqrt(both[0] * both[1]).sum()) if theirs.sum() >= PRIOR else 1.0


def expected(way: Way, costs: Floats) -> Floats:
    """Return what a word of the target is expected to cost, by each source word [V]."""
    out = np.empty(len(way.rest), np.float32)
    kernels.expect(way.begins, way.words, way.lifts, costs, out)
    return out


def _means(side: Ragged, values: Floats) -> Floats:
    out = np.empty(len(side.offsets) - 1, np.float32)
    kernels.mean(side.tokens, side.offsets, values, out)
    return out


def _sums(side: Ragged, values: Floats) -> NDArray[np.float64]:
    return _means(side, values).astype(np.float64) * np.diff(side.offsets)
