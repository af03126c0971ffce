"""Two text files read side by side, in blocks, with every complaint naming its line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import Paths, open_text

#: Pairs per block: large enough that sending a block costs little beside working on it.
BLOCK = 2_000
_BOM = b"\xef\xbb\xbf"
_TOLD = 10  # lines that a message names


class Source(NamedTuple):
    """One pair of files of a split, and what it is called in counts."""

    name: str
    files: Paths


class RawBlock(NamedTuple):
    """Lines of both files as bytes; ``first`` is the number of the first one, from 1."""

    origin: Source
    first: int
    source: list[bytes]
    target: list[bytes]


class RawPair(NamedTuple):
    """One line of both files; None for a side that is not UTF-8. ``line`` counts from 1."""

    line: int
    source: str | None
    target: str | None


def read_blocks(origin: Source, size: int = BLOCK) -> Iterator[RawBlock]:
    """Yield the lines of two files, plain or gzipped, ``size`` at a time.

    Only a line feed ends a line, so that stray separators inside a sentence do not shift a side.

    Raises:
        UserError: the files have different numbers of lines, or a gzipped file is damaged.
    """
    source, target = origin.files
    with open_text(source) as source_file, open_text(target) as target_file:
        lines = _sound(source, source_file), _sound(target, target_file)
        first = 1
        while True:
            block = RawBlock(origin, first, *(list(islice(side, size)) for side in lines))
            if len(block.source) != len(block.target):
                raise _unequal(block, lines)
            if not block.source:
                return
            yield block
            first += size


def count_pairs(origins: Iterable[Source]) -> int | None:
    """Return how many pairs there are to read; None where a file cannot be, which reading tells."""
    try:
        return sum(map(_lines_in, origins))
    except (EOFError, OSError, zlib.error):
        return None


def _lines_in(origin: Source) -> int:
    with open_text(origin.files[0]) as lines:
        return sum(1 for _ in lines)


def decoded(block: RawBlock, *, skip_undecodable: bool) -> Iterator[RawPair]:
    """Yield the pairs of a block as text.

    Raises:
        UserError: a line is not UTF-8, unless ``skip_undecodable``.
    """
    rows = enumerate(zip(block.source, block.target, strict=True), start=block.first)
    for line, (source, target) in rows:
        pair = RawPair(line, _decode(source, line), _decode(target, line))
        if (pair.source is None or pair.target is None) and not skip_undecodable:
            raise _undecodable(block.origin)
        yield pair


def _sound(path: Path, lines: BinaryIO) -> Iterator[bytes]:
    try:
        yield from lines
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{path} must be plain text or a whole gzip file, but is damaged ({error}); fetch it "
            "again."
        ) from error


def _decode(raw: bytes, line: int) -> str | None:
    if line == 1:
        raw = raw.removeprefix(_BOM)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def named_lines(found: Mapping[Path, Sequence[int]]) -> str:
    """The numbers of lines of files, for a message; the first ones where they are many."""
    told = []
    for path, lines in found.items():
        first = ", ".join(f"{line:,}" for line in lines[:_TOLD])
        more = f" and {len(lines) - _TOLD:,} more" if len(lines) > _TOLD else ""
        told.append(f"line{'s' * (len(lines) > 1)} {first}{more} of {path}")
    return " and ".join(told)


def _unequal(block: RawBlock, rest: tuple[Iterable[bytes], Iterable[bytes]]) -> UserError:
    totals = [
        block.first - 1 + len(read) + sum(1 for _ in unread)
        for read, unread in zip((block.source, block.target), rest, strict=True)
    ]
    (shorter, short), (longer, long) = sorted(zip(totals, block.origin.files, strict=True))
    returns = _found(block.origin, lambda line: b"\r" in line.rstrip(b"\r\n"))
    hint = f"carriage returns, which end no line here, stand within {named_lines(returns)}; "
    return UserError(
        f"Source and target must have the same number of lines, but {short} ends after line "
        f"{shorter:,} and {long} has {longer:,}; line {shorter + 1:,} has no partner; "
        f"{hint if returns else ''}mend the files."
    )


def _undecodable(origin: Source) -> UserError:
    found = _found(origin, lambda line: _decode(line, 0) is None)
    return UserError(
        f"Text must be UTF-8, but is not in {named_lines(found)}; mend the files, or leave such "
        "pairs of training text out with `--errors skip`, which counts them."
    )


def _found(origin: Source, wanted: Callable[[bytes], bool]) -> dict[Path, list[int]]:
    """The numbers of the lines that are ``wanted``, of each file that has some."""
    found = {}
    for path in origin.files:
        with open_text(path) as lines:
            found[path] = [n for n, line in enumerate(_sound(path, lines), 1) if wanted(line)]
    return {path: lines for path, lines in found.items() if lines}
