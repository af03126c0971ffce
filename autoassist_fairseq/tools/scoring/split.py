"""A binarised split as ``fairseq-preprocess`` writes it: languages and number of pairs."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from autoassist_fairseq.errors import UserError

MAGIC = b"MMIDIDX\x00\x00"
HEADER = struct.Struct("<9sQBQ")
"""Magic, version, type of a token, number of sentences."""


@dataclass(frozen=True)
class Split:
    """One split to translate.

    Attributes:
        source: language to translate from.
        target: language to translate into.
        pairs: how many; None when the index is not of fairseq's default (mapped) kind.
    """

    source: str
    target: str
    pairs: int | None


def find_split(
    data: Path, name: str, source: str | None = None, target: str | None = None
) -> Split:
    """Find a split by its files, ``test.en-de.de.idx``, which serve both directions.

    Args:
        data: folder of the binarised corpus.
        name: split, for example ``test``.
        source: language to translate from; None for the one of the files' names.
        target: language to translate into; None for the other one.

    Raises:
        UserError: no such split, or one of several language pairs.
    """
    for reverse in (False, True):  # the direction in which the corpus was prepared comes first
        found = {}
        for index in sorted(data.glob(f"{name}.*-*.*.idx")):
            pair, _, b = index.stem.removeprefix(f"{name}.").rpartition(".")
            # a tag may hold a hyphen itself, as in en-zh-Hans
            a = pair.removeprefix(f"{b}-") if reverse else pair.removesuffix(f"-{b}")
            if a != pair and source in (None, a) and target in (None, b):
                found[f"{a}-{b}"] = Split(a, b, _pairs(index))
        if len(found) > 1:
            raise UserError(
                f"DATA {data} must hold one language pair, but its `{name}` split is of "
                f"{' and '.join(found)}; name yours (`--source-lang`, `--target-lang`)."
            )
        if found:
            return found.popitem()[1]
    which = "" if source is None and target is None else f" for {source or '?'}-{target or '?'}"
    there = sorted({file.stem.rpartition(".")[0] for file in data.glob("*.*-*.*.idx")})
    raise UserError(
        f"DATA {data} must hold a binarised `{name}` split{which}, but holds "
        f"{', '.join(there) or 'none'}; prepare it with fairseq-preprocess."
    )


def _pairs(index: Path) -> int | None:
    with index.open("rb") as stream:
        magic, _, _, count = HEADER.unpack(stream.read(HEADER.size).ljust(HEADER.size))
    return int(count) if magic == MAGIC else None
