"""The order of a pass: a keyed permutation, computed where it is asked for and held nowhere.

A Feistel network over the numbers below high x low, the smallest such rectangle that holds all
places; a number that falls outside goes through it again (cycle walking), one in about the root of
the number of pairs. Each round adds to one half what a hash makes of the other, so that it can be
undone, and the whole is a permutation whatever the hash does.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.compiling import compiled
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.schedule.streams import ORDER, stream

ROUNDS = 12


class Order:
    """[P] the pairs of a pass in random order: the same on every rank, and after a resume.

    Args:
        ids: the pairs.
        seed: of the run.
        index: of the pass, from 1.
    """

    def __init__(self, ids: PairIds, seed: int, index: int) -> None:
        self._ids = ids
        self._keys = stream(ORDER, seed, index).integers(2**64, size=ROUNDS, dtype=np.uint64)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, part: slice) -> NDArray[np.int32]:
        """Return the ids at the places ``part`` (without a step)."""
        begin, end, _ = part.indices(len(self))
        places = np.empty(max(0, end - begin), np.int32)
        low = math.isqrt(max(len(self) - 1, 0)) + 1
        _permute(begin, len(self), -(-len(self) // low), low, self._keys, places)
        return self._ids.at(places)


@compiled
def _permute(begin: int, pairs: int, high: int, low: int, keys: Any, out: Any) -> None:
    """Write the images of ``begin`` and the numbers after it to ``out`` [P]."""
    for row in range(len(out)):
        place = begin + row
        while True:
            left, right = place // low, place % low
            for k in range(0, len(keys), 2):
                left += _hash(right, keys[k], high)
                left -= high if left >= high else 0
                right += _hash(left, keys[k + 1], low)
                right -= low if right >= low else 0
            place = left * low + right
            if place < pairs:
                break
        out[row] = place


@compiled
def _hash(value: int, key: Any, below: int) -> int:
    """Return a number in [0, ``below``) that looks random: two rounds of multiply and fold."""
    mixed = (np.uint64(value) ^ key) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
    number: int = np.int64(((mixed >> np.uint64(32)) * np.uint64(below)) >> np.uint64(32))
    return number
