"""fairseq's memory-mapped format (``MMapIndexedDataset``, 0.12.2), written piece by piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.tools.common.files import staged
from autoassist_fairseq.tools.scoring.split import HEADER, MAGIC
from autoassist_fairseq.tools.synthetic.shape import SPECIAL, Shape

VERSION, UINT16 = 1, 8
SOURCE, TARGET = "en", "de"
VALID_PAIRS = 1_000


def write_corpus(folder: Path, shape: Shape) -> None:
    """Write the train and valid splits, and the dictionaries, that ``shape`` describes.

    The folder appears whole or not at all; what is there is replaced.
    """
    with staged(folder) as part:
        part.mkdir()
        _write_splits(part, shape)


def _write_splits(folder: Path, shape: Shape) -> None:
    counts = _write_split(folder, "train", shape)
    few = min(VALID_PAIRS, shape.pairs)
    _write_split(folder, "valid", Shape(few, shape.words, shape.mean, shape.seed + 1))
    for language, count in zip((SOURCE, TARGET), counts, strict=True):
        lines = [f"w{word} {count[SPECIAL + word]}\n" for word in range(shape.words)]
        (folder / f"dict.{language}.txt").write_text("".join(lines), encoding="utf-8")


def _write_split(folder: Path, split: str, shape: Shape) -> list[NDArray[np.int64]]:
    """Write a split; return how often every word [V] is in each side."""
    prefixes = [f"{folder}/{split}.{SOURCE}-{TARGET}.{language}" for language in (SOURCE, TARGET)]
    counts = [np.zeros(SPECIAL + shape.words, np.int64) for _ in prefixes]
    done = 0
    for chunk in shape.chunks():
        for prefix, count, (tokens, sizes) in zip(prefixes, counts, chunk, strict=True):
            _write_chunk(prefix, shape.pairs, done, tokens, sizes)
            count += np.bincount(tokens, minlength=len(count))
        done += len(sizes)
    return counts


def _write_chunk(
    prefix: str, pairs: int, done: int, tokens: NDArray[np.uint16], sizes: NDArray[np.int32]
) -> None:
    """Add sentences of ``sizes`` [P], their ``tokens`` end to end, to the ``done`` of ``pairs``."""
    with open(f"{prefix}.bin", "ab") as text:
        begins = text.tell() + tokens.itemsize * (np.cumsum(sizes, dtype=np.int64) - sizes)
        text.write(tokens.data)
    with open(f"{prefix}.idx", "r+b" if done else "wb") as index:
        index.write(HEADER.pack(MAGIC, VERSION, UINT16, pairs))
        index.seek(HEADER.size + 4 * done)
        index.write(sizes.data)
        index.seek(HEADER.size + 4 * pairs + 8 * done)
        index.write(begins.data)
