"""Batches as flat arrays: pairs end to end, and where each batch begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Batches:
    """Some batches in order.

    Attributes:
        pairs: [P] pair ids; ascending within each batch, so that every rank agrees on the slots.
        offsets: [B + 1] batch b holds ``pairs[offsets[b]:offsets[b + 1]]``.
        longest: [B] longest sentence of each batch, in tokens.
    """

    pairs: NDArray[np.int64]
    offsets: NDArray[np.int64]
    longest: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.longest)

    def batch(self, index: int) -> NDArray[np.int64]:
        """Return the pairs of one batch."""
        return self.pairs[self.offsets[index] : self.offsets[index + 1]]

    def take(self, order: NDArray[np.int64]) -> Batches:
        """Return the batches ``order`` in that order."""
        parts = [self.batch(int(index)) for index in order]
        return Batches.of(parts, self.longest[order])

    @classmethod
    def of(cls, parts: Sequence[NDArray[np.int64]], longest: NDArray[Any]) -> Batches:
        """Join ``parts``, one array of pairs for each batch."""
        offsets = np.zeros(len(parts) + 1, np.int64)
        np.cumsum([len(part) for part in parts], out=offsets[1:])
        pairs = np.concatenate(parts) if parts else np.empty(0, np.int64)
        return cls(pairs.astype(np.int64), offsets, np.asarray(longest, np.int64))

    @classmethod
    def join(cls, first: Batches, second: Batches) -> Batches:
        """Return the batches of ``first``, then those of ``second``."""
        offsets = np.concatenate([first.offsets, second.offsets[1:] + first.offsets[-1]])
        pairs = np.concatenate([first.pairs, second.pairs])
        return cls(pairs, offsets, np.concatenate([first.longest, second.longest]))

    @classmethod
    def none(cls) -> Batches:
        """Return no batch at all."""
        return cls.of([], np.empty(0, np.int64))

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain arrays (pair ids fit 32 bits)."""
        return {
            "pairs": self.pairs.astype(np.int32),
            "offsets": self.offsets.copy(),
            "longest": self.longest.astype(np.int32),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Batches:
        """Build again what `state_dict` returned."""
        return cls(*(np.array(state[name], np.int64) for name in ("pairs", "offsets", "longest")))
