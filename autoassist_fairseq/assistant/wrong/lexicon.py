"""The lexicon: which words of one side translate which of the other (IBM Model 1, both ways)."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import Floats
from autoassist_fairseq.assistant.corpus.token_store import Ints, Ragged
from autoassist_fairseq.assistant.wrong import lexicon_kernels as kernels

# Ids below it are no words: begin, padding and end of a sentence.
FIRST_WORD = 3
# Entries of a word at most: while it is learned, and after.
CANDIDATES, ENTRIES = 48, 16
ROUNDS, DISCOUNT = 5, 0.3
# What every word leaves at least to words that it was never seen with.
LEAST_REST = 0.02
# Occurrences of a word that say as much about its fertility as all other words do.
FEW = 3.0


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


def themselves(alike: Ints) -> Sides:
    """Return a pair for each word that is spelled ``alike`` [V'] on both sides: that word."""
    known = np.flatnonzero(alike >= 0)
    offsets = np.arange(len(known) + 1)
    return Sides(
        Ragged(alike[known].astype(np.int32), offsets), Ragged(known.astype(np.int32), offsets)
    )


def joined(first: Sides, second: Sides) -> Sides:
    """Return the pairs of both."""
    return Sides(_end_to_end(first.source, second.source), _end_to_end(first.target, second.target))


def _end_to_end(first: Ragged, second: Ragged) -> Ragged:
    offsets = np.append(first.offsets[:-1], second.offsets + first.offsets[-1])
    return Ragged(np.append(first.tokens, second.tokens), offsets)


@dataclass(frozen=True)
class Way:
    """One direction: P(y | x) for the likeliest words y of each word x.

    Attributes:
        begins: [V + 1] int64, where the entries of each x begin.
        words: [E] int32, the words y.
        lifts: [E] float32, P(y | x) / P(y).
        rest: [V] float32, what the entries of x leave of its probability, which goes by P(y).
        fertility: [V] float32, words of the other side that x explains.
        vocabulary: V', words of the other side.
    """

    begins: NDArray[np.int64]
    words: NDArray[np.int32]
    lifts: Floats
    rest: Floats
    fertility: Floats
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
        given = source.tokens, source.offsets, target.tokens, target.offsets, shares
        kernels.first_round(
            starts, pairs, np.diff(source.offsets), *given[2:], CANDIDATES, begins, words, values
        )
        links = np.empty(vocabularies[0])
        for _ in range(ROUNDS - 1):
            kernels.next_round(*given, begins, words, values, DISCOUNT, links)
        rest = np.empty(vocabularies[0], np.float32)
        kernels.shorten(begins, words, values, ENTRIES, LEAST_REST, rest)
        words, values = words[: begins[-1]].copy(), values[: begins[-1]]
        lifts = (values / shares[words]).astype(np.float32)
        often, usual = np.diff(starts), links.sum() / max(len(source.tokens), 1)
        fertility = ((links + FEW * usual) / (often + FEW)).astype(np.float32)
        return cls(begins, words, lifts, rest, fertility, vocabularies[1])


@dataclass(frozen=True)
class Lexicon:
    """Both directions: source to target, and back."""

    there: Way
    back: Way

    @classmethod
    def learn(
        cls, parts: Sequence[Sides], vocabularies: tuple[int, int], alike: Ints | None = None
    ) -> Iterator[Lexicon]:
        """Learn one from each of ``parts``, whose dictionaries have so many words.

        All directions are learned side by side, a thread for each: none knows of another.

        Args:
            parts: pairs, right ones and wrong ones.
            vocabularies: words of the two dictionaries.
            alike: [V'] the source word that is spelled like each target word, -1: none. One that is
                seen seldom translates as itself: it is a name or a number.
        """
        if alike is not None:
            parts = [joined(sides, themselves(alike)) for sides in parts]
        both = [way for sides in parts for way in (sides, sides.turned())]
        sizes = [vocabularies, vocabularies[::-1]] * len(parts)
        with ThreadPoolExecutor(len(both), threading.current_thread().name) as pool:
            ways = pool.map(Way.learn, both, sizes)
            yield from map(cls, ways, ways)  # there and back by turns
