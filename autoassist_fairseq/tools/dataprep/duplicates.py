"""Finding equal pairs in a corpus of any size with little memory.

Pairs are told apart by a 64-bit hash (among 5 million pairs, a chance of about one in a million
that two different ones share theirs). Hashes go to files by their leading bits; each file is then
searched on its own, so memory holds a 256th of the corpus's hashes at a time, and a byte per pair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_BUCKETS = 256
_RECORD = np.dtype([("hash", "<u8"), ("index", "<u8")])
_BLOCK = 1 << 16


def pair_hash(source: str, target: str) -> int:
    """A 64-bit hash of the pair, the same in every process."""
    # A line feed separates the sides: no normalised side holds one.
    text = f"{source}\n{target}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


class DuplicateFinder:
    """Takes the hashes of all pairs in order, then says which came before.

    Use as a context manager, on an empty folder; it is the caller who removes the folder.
    """

    def __init__(self, folder: Path) -> None:
        """Keep the bucket files in ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files: dict[int, BinaryIO] = {}
        self._count = 0

    def __enter__(self) -> DuplicateFinder:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the bucket files."""
        for file in self._files.values():
            file.close()

    def add(self, hashes: Sequence[int]) -> None:
        """Append the hashes of the next pairs."""
        records = np.empty(len(hashes), dtype=_RECORD)
        records["hash"] = hashes
        records["index"] = np.arange(self._count, self._count + len(hashes))
        self._count += len(hashes)
        buckets = (records["hash"] >> np.uint64(56)).astype(np.int64)
        order = np.argsort(buckets, kind="stable")
        ends = np.cumsum(np.bincount(buckets, minlength=_BUCKETS))
        for bucket, part in enumerate(np.split(records[order], ends[:-1])):
            if len(part):
                if bucket not in self._files:
                    self._files[bucket] = (self._folder / f"{bucket:03d}").open("wb")
                self._files[bucket].write(part.tobytes())

    def repeated(self) -> Iterator[NDArray[np.bool_]]:
        """Yield, for blocks of the pairs in order, whether an equal pair came before."""
        # In memory: what maps a sparse file dies of a full disk.
        flags = np.zeros(self._count, np.bool_)
        for file in self._files.values():
            file.flush()
            records = np.fromfile(file.name, dtype=_RECORD)
            _, first = np.unique(records["hash"], return_index=True)
            again = np.ones(len(records), dtype=np.bool_)
            again[first] = False
            flags[records["index"][again]] = True
        for start in range(0, self._count, _BLOCK):
            yield flags[start : start + _BLOCK]
