"""What a made-up corpus looks like: Zipf words, log-normal lengths that agree on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# fairseq's first words: begin, padding, end of a sentence, unknown word.
SPECIAL, END = 4, 2
DEVIATION = 0.6  # of the log length
CORRELATION = 0.9  # of both sides' log lengths
SHORTEST, LONGEST = 2, 250
# Words are drawn from a table, which is faster than any exact draw and holds even the rarest of
# 32,000 words a dozen times.
TABLE_BITS = 22
CHUNK = 1 << 16  # pairs drawn at a time: bounds the memory


@dataclass(frozen=True)
class Shape:
    """How a corpus is drawn; the same one and seed draw the same corpus.

    Attributes:
        pairs: number of pairs.
        words: words of each dictionary, without the special ones.
        mean: mean length of a sentence in tokens, with its end.
        seed: of the random stream.
        translated: the share of pairs whose target says its source, word for word; if above 0,
            both sides of every pair are equally long.
    """

    pairs: int
    words: int = 32_000
    mean: float = 27.0
    seed: int = 1
    translated: float = 0.0

    def chunks(self) -> Iterator[list[tuple[NDArray[np.uint16], NDArray[np.int32]]]]:
        """Yield (tokens [K], lengths [P]) of source and target for `CHUNK` pairs at a time."""
        rng = np.random.default_rng(self.seed)
        table = zipf_table(self.words)
        for begin in range(0, self.pairs, CHUNK):
            sizes = lengths(min(CHUNK, self.pairs - begin), self.mean, rng)
            if self.translated:
                sizes[1] = sizes[0]
            source, target = (_sentences(side, table, rng) for side in sizes)
            if self.translated:
                says = np.repeat(rng.random(len(sizes[0])) < self.translated, sizes[0])
                target = np.where(says, self.translation(source), target)
            yield [(source, sizes[0]), (target, sizes[1])]

    def translation(self, words: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """Return what says ``words`` [K]: for each its neighbour by rank, which is as common."""
        others = ((words - SPECIAL) ^ 1) + SPECIAL
        return np.where((words < SPECIAL) | (others >= SPECIAL + self.words), words, others)


def lengths(pairs: int, mean: float, rng: np.random.Generator) -> list[NDArray[np.int32]]:
    """Return source and target lengths [P] in tokens, of about that ``mean``."""
    first, noise = rng.standard_normal((2, pairs), np.float32)
    second = CORRELATION * first + np.sqrt(np.float32(1 - CORRELATION**2)) * noise
    centre = np.log(mean) - DEVIATION**2 / 2
    drawn = (np.exp(centre + DEVIATION * z) for z in (first, second))
    return [np.clip(np.rint(size), SHORTEST, LONGEST).astype(np.int32) for size in drawn]


def zipf_table(words: int) -> NDArray[np.uint16]:
    """Return word ids [2 ** `TABLE_BITS`] from `SPECIAL` up, each as often as Zipf's law says."""
    mass = np.cumsum(1 / np.arange(1, words + 1))
    ends = np.rint(mass / mass[-1] * (1 << TABLE_BITS)).astype(np.int64)
    return np.repeat(np.arange(SPECIAL, SPECIAL + words), np.diff(ends, prepend=0)).astype(
        np.uint16
    )


def _sentences(
    sizes: NDArray[np.int32], table: NDArray[np.uint16], rng: np.random.Generator
) -> NDArray[np.uint16]:
    ends = np.cumsum(sizes)
    tokens: NDArray[np.uint16] = table[rng.integers(0, len(table), int(ends[-1]), np.uint32)]
    tokens[ends - 1] = END
    return tokens
