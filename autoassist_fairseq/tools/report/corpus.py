"""The binarised training set, read without fairseq: tokens as they lie on the disk, and words.

Format (fairseq's MMapIndexedDataset): ``.idx`` holds 9 bytes of magic, a version (uint64), the type
of a token (uint8), the number of sentences S (uint64), their sizes [S] (int32) and where they begin
in ``.bin``, in bytes, [S] (int64).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoassist_fairseq.assistant.corpus.features import Corpus, WordTable, spelled_alike
from autoassist_fairseq.assistant.corpus.token_store import Ints, Segment, TokenSide
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.scoring.split import HEADER, MAGIC, find_split

_TYPES = {1: np.uint8, 2: np.int8, 3: np.int16, 4: np.int32, 5: np.int64, 8: np.uint16}
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_OVERWRITE = " #fairseq:overwrite"
_EOS = 2


@dataclass(frozen=True)
class Words:
    """A dictionary: symbols, in order of their ids."""

    symbols: list[str]

    @classmethod
    def read(cls, path: Path) -> Words:
        """Read ``dict.LANG.txt``; `UserError` if it is none."""
        words = cls(list(_SPECIAL))
        try:
            # Not splitlines: a word may hold one of the rarer line ends of Unicode.
            for line in path.read_text(encoding="utf-8").split("\n"):
                if line.strip():
                    words._add(line.rstrip())
        except (OSError, ValueError) as error:
            raise UserError(
                f"`--data` must hold a dictionary as fairseq-preprocess writes it, but {path} is "
                f"none ({error})."
            ) from error
        return words

    def _add(self, line: str) -> None:
        symbol, count = line.removesuffix(_OVERWRITE).rsplit(" ", 1)
        int(count)  # raises where there is none; what it says is of no use (see `WordTable.of`)
        self.symbols.append(symbol)

    def text(self, ids: Ints) -> str:
        """Return the plain text of a sentence: without its end, subwords joined."""
        words = [self.symbols[i] if i < len(self.symbols) else "<unk>" for i in ids if i != _EOS]
        joined = " ".join(words)
        if "\u2581" in joined:  # sentencepiece marks where a word begins
            return joined.replace(" ", "").replace("\u2581", " ").strip()
        return f"{joined} ".replace("@@ ", "").strip()


@dataclass(frozen=True)
class Text:
    """The training set: what the Assistant scores, and the words to show it with."""

    corpus: Corpus
    source: Words
    target: Words

    def pair(self, index: int) -> tuple[str, str]:
        """Return the plain text of one pair, source and target."""
        one = np.array([index])
        sides = (self.source, self.corpus.source), (self.target, self.corpus.target)
        first, second = (words.text(side.gather(one).tokens) for words, side in sides)
        return first, second


def check_folder(data: Path) -> None:
    """Raise `UserError` unless ``data`` is a folder."""
    if not data.is_dir():
        raise UserError(f"`--data` must be a folder of binarised data, but {data} is none.")


def read_text(
    data: Path, source: str | None = None, target: str | None = None, name: str = "train"
) -> Text:
    """Map the split ``name`` in ``data``; for ``source`` and ``target`` see `find_split`.

    Raises:
        UserError: it is missing or damaged.
    """
    check_folder(data)
    split = find_split(data, name, source, target)
    for pair in (f"{split.source}-{split.target}", f"{split.target}-{split.source}"):
        if (data / f"{name}.{pair}.{split.source}.idx").is_file():
            break
    languages = split.source, split.target
    words = [Words.read(data / f"dict.{language}.txt") for language in languages]
    sides = [
        TokenSide([(_segment(data / f"{name}.{pair}.{language}"), 1)], len(table.symbols), side)
        for language, table, side in zip(languages, words, ("source", "target"), strict=True)
    ]
    if len(sides[0]) != len(sides[1]) or not len(sides[0]):
        raise UserError(
            f"`--data` must hold as many source as target sentences, and at least one, but {data} "
            f"has {len(sides[0]):,} and {len(sides[1]):,}; run fairseq-preprocess again on "
            "two files with as many lines, and without carriage returns within them."
        )
    first, second = sides
    alike = spelled_alike(words[0].symbols, words[1].symbols)
    corpus = Corpus(first, second, WordTable.of(first), WordTable.of(second), alike)
    return Text(corpus, *words)


def _segment(prefix: Path) -> Segment:
    index, tokens = prefix.with_name(f"{prefix.name}.idx"), prefix.with_name(f"{prefix.name}.bin")
    try:
        with index.open("rb") as stream:
            magic, _, code, count = HEADER.unpack(stream.read(HEADER.size))
        if magic != MAGIC:
            raise ValueError("it is not of the mmap kind")
        sizes = np.memmap(index, np.int32, "r", HEADER.size, shape=(count,))
        pointers = np.memmap(index, np.int64, "r", HEADER.size + 4 * count, shape=(count,))
        stored = np.memmap(tokens, _TYPES[code], "r")
        item = stored.itemsize
        ends = pointers + sizes.astype(np.int64) * item
        if pointers.min() < 0 or sizes.min() < 0 or ends.max() > len(stored) * item:
            raise ValueError("it is cut off")
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise UserError(
            f"`--data` must hold what fairseq-preprocess wrote, but {index.name} cannot be used "
            f"({error}); run it again."
        ) from error
    return Segment(stored, pointers, sizes, item.bit_length() - 1)
