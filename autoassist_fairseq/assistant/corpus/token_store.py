"""A zero-copy view of the binarised corpus: where each pair's tokens lie, and how many there are.

Nothing per pair is held here beyond what fairseq has already mapped into memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus import kernels
from autoassist_fairseq.errors import UserError

Ints = NDArray[Any]


@dataclass(frozen=True)
class Segment:
    """One binarised file of one side.

    Attributes:
        tokens: 1-D array of word ids, all sentences end to end.
        pointers: [S] where each sentence begins in ``tokens``, times 2 ** ``shift``.
        sizes: [S] tokens of each sentence.
        shift: 0 if ``pointers`` count elements; 1, 2 or 3 if they count bytes.
        owner: kept alive as long as the view (the memory map closes with it).
    """

    tokens: Ints
    pointers: Ints
    sizes: Ints
    shift: int = 0
    owner: object = None


@dataclass(frozen=True)
class Ragged:
    """Tokens of some pairs, one side: pair i is ``tokens[offsets[i]:offsets[i + 1]]``."""

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]


class TokenSide:
    """One side (source or target) of the corpus: segments one after the other, some repeated.

    Args:
        segments: the files, each with the number of times that it is repeated (upsampling).
        words: V, the size of the dictionary; ids lie in [0, V).
        name: for messages, such as ``source``.
    """

    def __init__(self, segments: list[tuple[Segment, int]], words: int, name: str) -> None:
        self.words, self.name = words, name
        self._segments = [segment for segment, _ in segments]
        sizes = [len(segment.sizes) * repeat for segment, repeat in segments]
        self._bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def __len__(self) -> int:
        return int(self._bounds[-1])

    def gather(self, pairs: Ints) -> Ragged:
        """Return the tokens of ``pairs`` [P]; `UserError` if an id is not in the dictionary."""
        parts = self._parts(pairs)
        offsets = np.zeros(len(pairs) + 1, np.int64)
        for segment, local, rows in parts:
            offsets[rows + 1] = segment.sizes[local]
        np.cumsum(offsets, out=offsets)
        out = np.empty(int(offsets[-1]), np.int32)
        for segment, local, rows in parts:
            place = segment.tokens, segment.pointers, segment.shift
            self._check(*kernels.gather(*place, local, rows, out, offsets))
        return Ragged(out, offsets)

    def describe(self, pairs: Ints, table: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return means [P, 4] of a word ``table`` [V, 3] over ``pairs`` [P] (`kernels.describe`).

        `UserError` if an id is not in the dictionary.
        """
        return self.describe_and_size(pairs, table)[0]

    def describe_and_size(
        self, pairs: Ints, table: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return `describe` and `sizes` of ``pairs`` [P], read from the corpus in one go.

        Many pairs are read faster in ascending order: neighbours share pages of the corpus.
        """
        out = np.empty((len(pairs), kernels.DESCRIBED), np.float32)
        lengths = np.empty(len(pairs), np.int64)
        for segment, local, rows in self._parts(pairs):
            place = segment.tokens, segment.pointers, segment.shift, segment.sizes
            self._check(*kernels.describe(*place, local, rows, table, out, lengths))
        return out, lengths

    def sizes(self, pairs: Ints) -> Ints:
        """Return the number of stored tokens [P] of ``pairs`` [P]."""
        out = np.empty(len(pairs), np.int64)
        for segment, local, rows in self._parts(pairs):
            out[rows] = segment.sizes[local]
        return out

    def _parts(self, pairs: Ints) -> list[tuple[Segment, Ints, Ints]]:
        """Return, for every segment that is hit, it, the sentences in it, and their rows."""
        pairs = pairs.astype(np.int64)
        if len(self._segments) == 1:
            segment = self._segments[0]
            once = len(segment.sizes) == len(self)
            local = pairs if once else pairs % len(segment.sizes)
            return [(segment, local, np.arange(len(pairs)))]
        part = np.searchsorted(self._bounds, pairs, side="right") - 1
        hit = [(index, np.flatnonzero(part == index)) for index in np.unique(part)]
        return [
            (segment, (pairs[rows] - self._bounds[index]) % len(segment.sizes), rows)
            for index, rows in hit
            for segment in [self._segments[index]]
        ]

    def _check(self, low: int, high: int) -> None:
        if low < 0 or high >= self.words:
            raise UserError(
                f"`DATA` must be binarised with the dictionary beside it: the {self.name} side "
                f"of the training set holds word id {high if low >= 0 else low}, but the "
                f"dictionary has {self.words} words; run fairseq-preprocess again, or give the "
                "dictionary that it used."
            )
