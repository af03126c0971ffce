"""Columns: files with one line per pair, such as source, target, and the tokens of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from autoassist_fairseq.tools.common.files import staged
from autoassist_fairseq.tools.common.progress import progress

Row = tuple[str, ...]
Columns = Sequence[Path]


def read_columns(paths: Columns) -> Iterator[Row]:
    """Yield the rows of files that `write_columns` wrote."""
    with ExitStack() as stack:
        files = [stack.enter_context(path.open(encoding="utf-8", newline="\n")) for path in paths]
        for lines in zip(*files, strict=True):
            yield tuple(line[:-1] for line in lines)


def write_columns(rows: Iterable[Row], paths: Columns, what: str, total: int) -> int:
    """Write ``rows`` to one file per column, all or none; returns how many rows.

    ``what`` is shown beside the progress; ``total`` is how many rows there are at most.
    """
    with column_files(paths) as files:
        return write_rows(progress(rows, what, total=total), files)


def write_rows(rows: Iterable[Row], files: Sequence[TextIO]) -> int:
    """Append ``rows`` to files that are open; returns how many."""
    count = 0
    for row in rows:
        write_row(row, files)
        count += 1
    return count


def write_row(row: Row, files: Sequence[TextIO]) -> None:
    """Append ``row`` to files that are open."""
    for cell, file in zip(row, files, strict=True):
        file.write(f"{cell}\n")


@contextmanager
def column_files(paths: Columns) -> Iterator[list[TextIO]]:
    """Files to write columns to, which get their names when all went well."""
    with ExitStack() as stack:
        parts = [stack.enter_context(staged(path)) for path in paths]
        yield [
            stack.enter_context(part.open("w", encoding="utf-8", newline="\n")) for part in parts
        ]
