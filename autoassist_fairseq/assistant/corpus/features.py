"""Pair -> features: sentence length, word frequency, and token-level weights.

Everything about words is linear in the tokens, so per-word tables are gathered and reduced per
pair; a feature matrix exists for one window at a time only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant import exact
from autoassist_fairseq.assistant.corpus import kernels
from autoassist_fairseq.assistant.corpus.token_store import Ints, TokenSide
from autoassist_fairseq.assistant.trivial.model_kernels import LOGS, LONGEST

Floats = NDArray[np.float32]

# Dense features in order; the first is the bias; those of words come from `kernels.describe`.
LENGTH = slice(1, 4)
FREQUENCY = slice(4, 10)
DENSE = 10

RARE_SHARE = 0.05
SAMPLE = 65_536
# Pairs in which words are counted, at most, and how many are read at a time.
COUNTED, CHUNK = 1_000_000, 65_536
# A feature that scatters by less than this share of its mean is a constant, rounded.
LEAST_SCATTER = 1e-4


@dataclass(frozen=True)
class WordTable:
    """Static facts about the words of one dictionary.

    Attributes:
        idf: [V] float32, minus the log relative frequency, in nats.
        rare_idf: words above it make up the rarest `RARE_SHARE` of the running text.
    """

    idf: Floats
    rare_idf: float

    def table(self) -> Floats:
        """Return a word table [V, 3] for `kernels.describe`, its weights zero."""
        table = np.zeros((len(self.idf), kernels.TABLE), np.float32)
        table[:, kernels.IDF] = self.idf
        table[:, kernels.IS_RARE] = self.idf > self.rare_idf
        return table

    @classmethod
    def of(cls, side: TokenSide) -> WordTable:
        """Count the words of ``side``, in up to `COUNTED` pairs spread evenly over it.

        What the dictionary says is of no use: it may come from another corpus or be made up, and
        holds 1 for ``</s>``, which stands in every sentence, and for the unknown word.
        """
        pairs, counts = sample_pairs(len(side), COUNTED), np.zeros(side.words, np.int64)
        for begin in range(0, len(pairs), CHUNK):
            tokens = side.gather(pairs[begin : begin + CHUNK]).tokens
            counts += np.bincount(tokens, minlength=side.words)
        return cls.from_counts(counts)

    @classmethod
    def from_counts(cls, counts: Ints) -> WordTable:
        """Build the table from word counts [V]; a word that never came counts as one that did."""
        smoothed = np.maximum(counts.astype(np.float64), 1.0)
        total = smoothed.sum()
        idf = math.log(total) - exact.log(smoothed)
        by_rarity = np.argsort(-idf, kind="stable")
        mass = np.cumsum(smoothed[by_rarity]) / total
        rare = by_rarity[min(int(np.searchsorted(mass, RARE_SHARE)), len(idf) - 1)]
        return cls(idf.astype(np.float32), float(idf[rare]))


@dataclass(frozen=True)
class Corpus:
    """Both sides of the training set, and the static facts about their words.

    Attributes:
        source, target: the tokens.
        source_words, target_words: their words.
        alike: [V'] the source word that is spelled like each target word, -1: none; None:
            nobody knows.
        check: raises `UserError` if the files behind the tokens are not what they were.
    """

    source: TokenSide
    target: TokenSide
    source_words: WordTable
    target_words: WordTable
    alike: Ints | None = None
    check: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self.source)


def spelled_alike(source: Sequence[str], target: Sequence[str]) -> Ints:
    """Return the word of ``source`` that is spelled like each of ``target`` [V'], -1: none."""
    ids = {word: number for number, word in enumerate(source)}
    return np.array([ids.get(word, -1) for word in target], np.int64)


def raw_dense(source: Floats, target: Floats, src_len: Ints, tgt_len: Ints) -> Floats:
    """Return the dense features [P, F] before scaling, from both sides' `describe` and lengths."""
    out = np.empty((len(source), DENSE), np.float32)
    out[:, 0] = 1
    out[:, 1] = LOGS[np.minimum(src_len, LONGEST)]
    out[:, 2] = LOGS[np.minimum(tgt_len, LONGEST)]
    out[:, 3] = np.abs(out[:, 2] - out[:, 1])
    out[:, 4:7] = source[:, kernels.MEAN_IDF :]
    out[:, 7:10] = target[:, kernels.MEAN_IDF :]
    return out


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of the dense features, [F] each, over a sample of the corpus."""

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, dense: Floats, families: tuple[str, ...]) -> Scaling:
        """Measure ``dense`` [P, F]; families that are left out scale to zero."""
        mean, deviation = dense.mean(0, np.float64), dense.std(0, np.float64)
        deviation[deviation <= LEAST_SCATTER * np.abs(mean)] = np.inf
        mean[0], deviation[0] = 0, 1
        for family, columns in (("length", LENGTH), ("frequency", FREQUENCY)):
            if family not in families:
                deviation[columns] = np.inf
        return cls(mean.astype(np.float32), deviation.astype(np.float32))

    def resumed(self, mean: Floats, deviation: Floats) -> Scaling:
        """Return the saved ``mean`` and ``deviation`` [F] for the families that are on by now.

        Families that were off then are scaled as in this scaling.
        """
        off_then, off_now = np.isinf(deviation), np.isinf(self.deviation)
        mean = np.where(off_then, self.mean, mean)
        return Scaling(mean, np.where(off_then | off_now, self.deviation, deviation))

    @property
    def both(self) -> Floats:
        """Mean and standard deviation, [2, F]."""
        return np.stack([self.mean, self.deviation])


def sample_pairs(pairs: int, most: int = SAMPLE) -> NDArray[np.int64]:
    """Return up to ``most`` of so many pairs, evenly spread: the same for the same corpus."""
    some = min(pairs, most)
    return np.arange(some) * pairs // max(some, 1)
