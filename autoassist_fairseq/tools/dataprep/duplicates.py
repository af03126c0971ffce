"""Finding equal pairs, and nearly equal ones: by 64-bit hashes, 24 bytes a pair while compared.

Among 5 million pairs, the chance that two different ones share a hash is about one in a million.
"""

from __future__ import annotations

import hashlib
from array import array

import numpy as np
import regex
from numpy.typing import NDArray

# Vowel signs of Indic scripts are marks, not letters.
_NO_LETTER = regex.compile(r"[^\p{L}\p{M}]+")


def pair_hash(source: str, target: str) -> int:
    """A 64-bit hash of the pair, the same in every process."""
    # A line feed separates the sides: no normalised side holds one.
    text = f"{source}\n{target}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def near_hash(source: str, target: str) -> int:
    """The hash of the letters of both sides without case; of all of a pair without letters."""
    source_letters, target_letters = (
        _NO_LETTER.sub("", side.casefold()) for side in (source, target)
    )
    if source_letters or target_letters:
        return pair_hash(source_letters, target_letters)
    return pair_hash(source, target)


def repeated(hashes: array[int]) -> NDArray[np.bool_]:
    """Whether an equal pair came before, for the ``hashes`` (code Q) of all pairs in order."""
    every = np.frombuffer(hashes, np.uint64)
    order = np.argsort(every, kind="stable")
    sorted_hashes = every[order]
    marks = np.zeros(len(every), np.bool_)
    marks[order[1:]] = sorted_hashes[1:] == sorted_hashes[:-1]
    return marks
