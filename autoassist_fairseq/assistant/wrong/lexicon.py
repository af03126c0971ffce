"""The lexicon: which words of one side translate which of the other (IBM Model 1, both ways)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import Floats
from autoassist_fairseq.assistant.corpus.token_store import Ints, Ragged
from autoassist_fairseq.assistant.wrong import lexicon_kernels as kernels

# Ids below it are no words: begin, padding and end of a sentence.
FIRST_WORD = 3
# Entries of a word at most: while it is learned, and after.
CANDIDATES, ENTRIES = 64, 24
ROUNDS, DISCOUNT = 5, 0.3
# What every word leaves at least to words that it was never seen with.
LEAST_REST = 0.02


@dataclass(frozen=True)
class Sides:
    """Both sides of some pairs, their words alone, ragged."""

    source: Ragged
    target: Ragged

    def __len__(self) -> int:
        return len(self.source.offsets) - 1

    def turned(self) -> Sides:
        """Return them with source and target exchanged."""
        return Sides(self.target, self.source)

    def part(self, rows: Ints) -> Sides:
        """Return those in ``rows`` [P'], in that order."""
        return Sides(part(self.source, rows), part(self.target, rows))


def part(side: Ragged, rows: Ints) -> Ragged:
    """Return the sentences ``rows`` [P'] of ``side``."""
    return stretch(side, side.offsets[rows], np.diff(side.offsets)[rows])


def stretch(side: Ragged, begins: Ints, sizes: Ints) -> Ragged:
    """Return ``sizes`` [P'] words of ``side`` each, from ``begins`` [P'] on."""
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    places = np.repeat(begins - offsets[:-1], sizes) + np.arange(offsets[-1])
    return Ragged(side.tokens[places], offsets)


def words_of(side: Ragged) -> Ragged:
    """Return ``side`` without what is no word."""
    out, begins = np.empty_like(side.tokens), np.empty_like(side.offsets)
    kernels.without(side.tokens, side.offsets, FIRST_WORD, out, begins)
    return Ragged(out[: begins[-1]], begins)


@dataclass(frozen=True)
class Way:
    """One direction: P(y | x) for the likeliest words y of each word x.

    Attributes:
        begins: [V + 1] int64, where the entries of each x begin.
        words: [E] int32, the words y.
        lifts: [E] float32, P(y | x) / P(y).
        rest: [V] float32, what the entries of x leave of its probability, which goes by P(y).
        vocabulary: V', words of the other side.
    """

    begins: NDArray[np.int64]
    words: NDArray[np.int32]
    lifts: Floats
    rest: Floats
    vocabulary: int

    @classmethod
    def learn(cls, sides: Sides, vocabularies: tuple[int, int]) -> Way:
        """Learn how the source's words of ``sides`` translate to the target's."""
        source, target = sides.source, sides.target
        starts = np.empty(vocabularies[0] + 1, np.int64)
        pairs = np.empty(len(source.tokens), np.int32)
        kernels.places(source.tokens, source.offsets, starts, pairs)
        counts = np.bincount(target.tokens, minlength=vocabularies[1]) + 0.5
        shares = counts / counts.sum()
        begins = np.empty_like(starts)
        room = int(np.minimum(np.diff(starts) * len(target.tokens), CANDIDATES).sum())
        words, values = np.empty(room, np.int32), np.empty(room, np.float32)
        lengths = np.diff(source.offsets)
        given = target.tokens, target.offsets, shares
        kernels.first_round(starts, pairs, lengths, *given, CANDIDATES, begins, words, values)
        sums = np.empty(len(target.tokens))
        for _ in range(ROUNDS - 1):
            kernels.next_round(starts, pairs, *given, begins, words, values, sums, DISCOUNT)
        rest = np.empty(vocabularies[0], np.float32)
        kernels.shorten(begins, words, values, ENTRIES, LEAST_REST, rest)
        words, values = words[: begins[-1]].copy(), values[: begins[-1]]
        lifts = (values / shares[words]).astype(np.float32)
        return cls(begins, words, lifts, rest, vocabularies[1])


@dataclass(frozen=True)
class Lexicon:
    """Both directions: source to target, and back."""

    there: Way
    back: Way

    @classmethod
    def learn(cls, sides: Sides, vocabularies: tuple[int, int]) -> Lexicon:
        """Learn from ``sides``, whose dictionaries have so many words."""
        other = vocabularies[1], vocabularies[0]
        return cls(Way.learn(sides, vocabularies), Way.learn(sides.turned(), other))
