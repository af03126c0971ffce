"""Kept pairs -> batches under a budget. A batch costs (longest sentence) x (pairs), as in fairseq.

Pairs are packed from the longest down, which needs the fewest batches that any packing can.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.compiling import compiled

Ints = NDArray[Any]


@dataclass(frozen=True)
class Budget:
    """What one batch may hold.

    Attributes:
        max_tokens: padded tokens of the longer side; 0 = no limit.
        max_pairs: pairs; 0 = no limit.
        multiple: batch sizes are a multiple of this, or below it.
    """

    max_tokens: int
    max_pairs: int
    multiple: int = 1

    def pack(self, lengths: Ints) -> NDArray[np.int64]:
        """Return batch offsets [B + 1] for ``lengths`` [P] sorted in descending order."""
        out = np.empty(len(lengths) + 1, np.int64)
        batches = _pack(lengths, self.max_tokens, self.max_pairs, self.multiple, out)
        return out[: batches + 1]

    def count(self, lengths: Ints) -> int:
        """Return how many batches `pack` makes of ``lengths``."""
        out = np.empty(0, np.int64)
        return int(_pack(lengths, self.max_tokens, self.max_pairs, self.multiple, out))


@compiled
def _pack(lengths: Ints, max_tokens: int, max_pairs: int, multiple: int, out: Ints) -> int:
    pairs, begin, batches = len(lengths), 0, 0
    while begin < pairs:
        if len(out):
            out[batches] = begin
        fit = max_tokens // max(lengths[begin], 1) if max_tokens else pairs
        if max_pairs:
            fit = min(fit, max_pairs)
        if fit >= multiple:
            fit -= fit % multiple
        begin += max(fit, 1)
        batches += 1
    if len(out):
        out[batches] = pairs
    return batches


def packing_order(source: Ints, target: Ints) -> NDArray[np.int64]:
    """Return the order [P] that packs pairs of the lengths ``source``, ``target`` [P] tightly.

    Longest first; among pairs of one length by how the shorter side differs, to and fro, so that
    neighbours are alike on both sides. Ties stay in the (random) order given.
    """
    longest = np.maximum(source, target).astype(np.int64)
    difference = source.astype(np.int64) - target
    swing = np.where(longest & 1, difference, -difference)
    return np.argsort(swing - longest * (int(longest.max(initial=0)) * 2 + 2), kind="stable")


def split_to(offsets: NDArray[np.int64], batches: int) -> NDArray[np.int64]:
    """Halve the largest of the batches ``offsets`` [B + 1] until there are ``batches`` of them."""
    sizes = np.diff(offsets)
    if batches > offsets[-1]:
        raise ValueError(f"{offsets[-1]} pairs cannot make {batches} batches")
    heap = [(-int(size), int(begin)) for size, begin in zip(sizes, offsets[:-1], strict=True)]
    heapq.heapify(heap)
    while len(heap) < batches:
        size, begin = heapq.heappop(heap)
        half = -size // 2
        heapq.heappush(heap, (-half, begin))
        heapq.heappush(heap, (size + half, begin + half))
    begins = sorted(begin for _, begin in heap)
    return np.array([*begins, offsets[-1]], np.int64)
