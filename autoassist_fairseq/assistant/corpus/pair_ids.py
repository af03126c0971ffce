"""The ids of the pairs to train on, without a list of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[Any]

BLOCK = 1_048_576


class PairIds:
    """All of 0 .. ``pairs`` - 1 but those ``left_out``, ascending: 8 bytes for each of these.

    A slice is an array of ids, int32; ``ids[:]`` holds them all.

    Args:
        pairs: pairs in the corpus.
        left_out: ids of pairs that do not fit the model, ascending.
    """

    def __init__(self, pairs: int, left_out: Ints | Sequence[int] = ()) -> None:
        self.pairs, self.left_out = pairs, np.asarray(left_out, np.int32)
        # How many pairs that stay are before each that does not.
        self._before = self.left_out - np.arange(len(self.left_out), dtype=np.int32)

    def __len__(self) -> int:
        return self.pairs - len(self.left_out)

    def __getitem__(self, part: slice) -> NDArray[np.int32]:
        return self.at(np.arange(*part.indices(len(self)), dtype=np.int32))

    def at(self, places: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the ids [P] at ``places`` [P], counted from 0 over the pairs that stay."""
        if not len(self.left_out):
            return places
        skipped = np.searchsorted(self._before, places, side="right")
        return (places + skipped).astype(np.int32)

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return ``values`` [pairs] of the pairs that stay (a view, if all do)."""
        return np.delete(values, self.left_out) if len(self.left_out) else values

    def blocks(self) -> Iterator[NDArray[np.int32]]:
        """Yield all ids, so many at a time that they fit a cache."""
        for begin in range(0, len(self), BLOCK):
            yield self[begin : begin + BLOCK]
