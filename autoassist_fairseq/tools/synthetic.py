"""A made-up corpus in memory, shaped like WMT14 En-De: Zipf words, log-normal lengths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.features import Corpus, WordTable
from autoassist_fairseq.assistant.token_store import Segment, TokenSide

WORDS = 32_000
MEAN_LENGTH = 27.0
DEVIATION = 0.6  # of the log length
CORRELATION = 0.9  # of both sides' log lengths
LONGEST = 250
# Words are drawn once, and the corpus runs through them again and again: what costs time is where
# they lie, not what they are.
DRAWN = 1 << 22


def lengths(pairs: int, rng: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return source and target lengths [P] in tokens, correlated, of mean about `MEAN_LENGTH`."""
    first, noise = rng.standard_normal((2, pairs), np.float32)
    second = CORRELATION * first + np.sqrt(np.float32(1 - CORRELATION**2)) * noise
    centre = np.log(MEAN_LENGTH) - DEVIATION**2 / 2
    source, target = (
        np.clip(np.exp(centre + DEVIATION * z), 2, LONGEST).astype(np.int32)
        for z in (first, second)
    )
    return source, target


def zipf_words(rng: np.random.Generator, words: int = WORDS) -> NDArray[np.uint16]:
    """Return `DRAWN` word ids in [0, words), by Zipf's law."""
    weight = 1 / np.arange(1, words + 1)
    return rng.choice(words, DRAWN, p=weight / weight.sum()).astype(np.uint16)


def corpus(pairs: int, seed: int = 0) -> tuple[Corpus, NDArray[np.int32], NDArray[np.int32]]:
    """Return a corpus of ``pairs``, and its source and target lengths [P]."""
    rng = np.random.default_rng(seed)
    drawn = zipf_words(rng)
    table = WordTable.from_counts(np.bincount(drawn, minlength=WORDS))
    sizes = lengths(pairs, rng)
    sides = [
        TokenSide([(_segment(side, np.roll(drawn, 7 * place)), 1)], WORDS, name)
        for place, (name, side) in enumerate(zip(("source", "target"), sizes, strict=True))
    ]
    return Corpus(sides[0], sides[1], table, table), sizes[0], sizes[1]


def _segment(sizes: NDArray[np.int32], drawn: NDArray[np.uint16]) -> Segment:
    ends = np.cumsum(sizes, dtype=np.int64)
    return Segment(np.resize(drawn, int(ends[-1])), ends - sizes, sizes)
