"""Files of ``DATA`` that were cut short, as by a broken copy: told before they are opened.

fairseq compares no sizes. Beyond the end of a file it finds whatever lies there in memory.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from fairseq.data import indexed_dataset
from fairseq.data.indexed_dataset import data_file_path, index_file_path

from autoassist_fairseq.errors import UserError

# The first 8 bytes of an index, by the ``--dataset-impl`` that made it.
CACHED, MMAP, HUFFMAN = b"TNTIDX\0\0", b"MMIDIDX\0", b"HUFFIDX\0"


@contextlib.contextmanager
def whole_files() -> Iterator[None]:
    """Raise `UserError` where fairseq would open files that are shorter than they must be."""
    make = indexed_dataset.make_dataset

    def checked(path: str, impl: str, *args: Any, **kwargs: Any) -> Any:
        if impl not in ("raw", "fasta") and Path(index_file_path(path)).is_file():
            _check(Path(index_file_path(path)), Path(data_file_path(path)))
        return make(path, impl, *args, **kwargs)

    indexed_dataset.make_dataset = checked
    try:
        yield
    finally:
        indexed_dataset.make_dataset = make


def _check(index: Path, data: Path) -> None:
    try:
        with index.open("rb") as stream:
            ends = _ends(stream)
    except (KeyError, OverflowError, ValueError, struct.error):
        raise _cut(f"{index} is damaged or cut short") from None
    for file, end in zip((index, data), ends, strict=True):
        size = file.stat().st_size
        if not size:
            raise _cut(f"{file} is empty")
        if size < end:
            raise _cut(f"{file} is cut short: it has {size:,} bytes of {end:,}")


def _ends(index: BinaryIO) -> tuple[int, int]:
    """Return the bytes that an ``index`` must have, and its data."""
    kind = index.read(8)
    if kind == CACHED:
        _, _, width, pairs, sizes = _read(index, "<5Q")
        end = 48 + 16 * (pairs + 1)  # of the places in the data, the last one of which is its end
        return end + 8 * sizes, _read(index, "<Q", end - 8)[0] * width
    if kind == MMAP:
        _, code, pairs = _read(index, "<QBQ", 9)
        end = 26 + 12 * pairs
        last, size = _read(index, "<q", end - 8)[0], _read(index, "<i", end - 8 * pairs - 4)[0]
        return end, last + size * np.dtype(indexed_dataset._code_to_dtype[code]).itemsize
    if kind == HUFFMAN:
        _, length, pairs = _read(index, "<3Q", 9)
        return 33 + 12 * pairs, length
    raise ValueError(kind)


def _read(stream: BinaryIO, layout: str, place: int = 8) -> tuple[int, ...]:
    stream.seek(place)
    return struct.unpack(layout, stream.read(struct.calcsize(layout)))


def _cut(what: str) -> UserError:
    return UserError(
        f"`DATA` must hold what fairseq-preprocess wrote, but {what}; copy it again, or run "
        "fairseq-preprocess again."
    )
