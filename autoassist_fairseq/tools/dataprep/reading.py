"""Two text files read side by side, line by line, with every complaint naming its line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, NamedTuple

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.files import open_text

_BOM = b"\xef\xbb\xbf"


class RawPair(NamedTuple):
    """One line of both files; None for a side that is not UTF-8. ``line`` counts from 1."""

    line: int
    source: str | None
    target: str | None


def read_pairs(source: Path, target: Path, *, skip_undecodable: bool) -> Iterator[RawPair]:
    """Yield the pairs of two UTF-8 files, plain or gzipped.

    Only a line feed ends a line, so that stray separators inside a sentence do not shift a side.

    Raises:
        UserError: the files have different numbers of lines, or (unless ``skip_undecodable``) a
            line is not UTF-8, or a gzipped file is damaged.
    """
    with open_text(source) as source_file, open_text(target) as target_file:
        source_lines, target_lines = _sound(source, source_file), _sound(target, target_file)
        rows = enumerate(zip_longest(source_lines, target_lines), start=1)
        for line, (source_bytes, target_bytes) in rows:
            if source_bytes is None or target_bytes is None:
                raise _unequal(source, target, line, source_bytes is None, source_lines,
                               target_lines)  # fmt: skip
            texts = _decode(source_bytes, line), _decode(target_bytes, line)
            if None in texts and not skip_undecodable:
                raise _undecodable(source if texts[0] is None else target, line)
            yield RawPair(line, *texts)


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


def _unequal(
    source: Path,
    target: Path,
    line: int,
    source_ended: bool,
    source_lines: Iterator[bytes],
    target_lines: Iterator[bytes],
) -> UserError:
    short, long = (source, target) if source_ended else (target, source)
    # The first surplus line has been read; what is still in the longer file comes on top.
    total = line + sum(1 for _ in (target_lines if source_ended else source_lines))
    return UserError(
        f"Source and target must have the same number of lines, but {short} ends after line "
        f"{line - 1:,} and {long} has {total:,}; line {line:,} has no partner: mend the files."
    )


def _undecodable(path: Path, line: int) -> UserError:
    return UserError(
        f"Text must be UTF-8, but line {line:,} of {path} is not; mend it, or leave such pairs out "
        "with `--errors skip`, which counts them."
    )
