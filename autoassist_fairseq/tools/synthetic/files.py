"""fairseq's memory-mapped format (``MMapIndexedDataset``, 0.12.2), written piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.tools.scoring.split import HEADER, MAGIC
from autoassist_fairseq.tools.synthetic.shape import SPECIAL, Shape

VERSION, UINT16 = 1, 8
SOURCE, TARGET = "en", "de"
VALID_PAIRS = 1_000


@dataclass
class SideWriter:
    """Writes one side of a split, piece by piece.

    Args:
        prefix: path without ``.bin`` and ``.idx``.
        sentences: how many there will be.
        words: size of the dictionary with the special words.

    Attributes:
        counts: [V] how often every word was written.
    """

    prefix: Path
    sentences: int
    words: int
    counts: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = np.zeros(self.words, np.int64)
        self._written = self._tokens = 0

    def __enter__(self) -> SideWriter:
        self._bin: BinaryIO = self.prefix.with_name(f"{self.prefix.name}.bin").open("wb")
        self._idx: BinaryIO = self.prefix.with_name(f"{self.prefix.name}.idx").open("wb")
        self._idx.write(HEADER.pack(MAGIC, VERSION, UINT16, self.sentences))
        return self

    def write(self, tokens: NDArray[np.uint16], sizes: NDArray[np.int32]) -> None:
        """Add sentences of ``sizes`` [P], their ``tokens`` [K] end to end."""
        self._bin.write(tokens.data)
        ends = np.cumsum(sizes, dtype=np.int64)
        pointers = (self._tokens + ends - sizes) * tokens.itemsize
        self._idx.seek(HEADER.size + 4 * self._written)
        self._idx.write(sizes.data)
        self._idx.seek(HEADER.size + 4 * self.sentences + 8 * self._written)
        self._idx.write(pointers.data)
        self._written += len(sizes)
        self._tokens += len(tokens)
        self.counts += np.bincount(tokens, minlength=self.words)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bin.close()
        self._idx.close()


def write_corpus(folder: Path, shape: Shape) -> None:
    """Write the train and valid splits, and the dictionaries, that ``shape`` describes."""
    folder.mkdir(parents=True)
    counts = _write_split(folder, "train", shape)
    few = min(VALID_PAIRS, shape.pairs)
    _write_split(folder, "valid", Shape(few, shape.words, shape.mean, shape.seed + 1))
    for language, count in zip((SOURCE, TARGET), counts, strict=True):
        lines = [f"w{word} {count[SPECIAL + word]}\n" for word in range(shape.words)]
        (folder / f"dict.{language}.txt").write_text("".join(lines), encoding="utf-8")


def _write_split(folder: Path, split: str, shape: Shape) -> list[NDArray[np.int64]]:
    first, second = (
        SideWriter(
            folder / f"{split}.{SOURCE}-{TARGET}.{language}", shape.pairs, SPECIAL + shape.words
        )
        for language in (SOURCE, TARGET)
    )
    with first, second:
        for source, target in shape.chunks():
            first.write(*source)
            second.write(*target)
    return [first.counts, second.counts]
