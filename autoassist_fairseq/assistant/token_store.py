"""A zero-copy view of the binarised corpus: where each pair's tokens lie, and how many there are.

Nothing per pair is held here beyond what fairseq has already mapped into memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant import kernels
from autoassist_fairseq.errors import UserError

Ints = NDArray[Any]


@dataclass(frozen=True)
class Segment:
    """One binarised file of one side.

    Attributes:
        tokens: 1-D array of word ids, all sentences end to end.
        pointers: [S] where each sentence begins in ``tokens``, in units of ``pointer_unit``.
        sizes: [S] tokens of each sentence.
        pointer_unit: 1 for elements, the item size for bytes.
        owner: kept alive as long as the view (the memory map closes with it).
    """

    tokens: Ints
    pointers: Ints
    sizes: Ints
    pointer_unit: int = 1
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
        spans = self._spans(pairs)
        lengths = np.zeros(len(pairs), np.int64)
        for _, rows, _, sizes in spans:
            lengths[rows] = sizes
        offsets = np.zeros(len(pairs) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        out = np.empty(int(offsets[-1]), np.int32)
        for tokens, rows, starts, sizes in spans:
            self._check(*kernels.gather(tokens, starts, sizes, rows, out, offsets))
        return Ragged(out, offsets)

    def _spans(self, pairs: Ints) -> list[tuple[Ints, Ints, Ints, Ints]]:
        """Return (tokens, rows among ``pairs``, starts, sizes) for every segment that is hit."""
        part = np.searchsorted(self._bounds, pairs, side="right") - 1
        spans = []
        for index in np.unique(part):
            segment = self._segments[index]
            rows = np.flatnonzero(part == index)
            local = (pairs[rows] - self._bounds[index]) % len(segment.sizes)
            starts = segment.pointers[local] // segment.pointer_unit
            spans.append((segment.tokens, rows, starts, segment.sizes[local]))
        return spans

    def _check(self, low: int, high: int) -> None:
        if low < 0 or high >= self.words:
            raise UserError(
                f"`DATA` must be binarised with the dictionary beside it: the {self.name} side "
                f"of the training set holds word id {high if low >= 0 else low}, but the "
                f"dictionary has {self.words} words; run fairseq-preprocess again, or give the "
                "dictionary that it used."
            )
