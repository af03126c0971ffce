"""From a corpus of the table to its plain texts: fetch, check, unpack, strip markup."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal, TextIO

from autoassist_fairseq.tools.dataprep.fetching.fetch import Fetching, fetch
from autoassist_fairseq.tools.dataprep.fetching.lock import Lock, Seen
from autoassist_fairseq.tools.dataprep.fetching.table import Corpus, Download, Part, Side
from autoassist_fairseq.tools.dataprep.fetching.unpacking import MARKUP, unpack
from autoassist_fairseq.tools.dataprep.files import clear_os_errors, count_lines, locked, staged
from autoassist_fairseq.tools.dataprep.progress import say
from autoassist_fairseq.tools.dataprep.reading import Source
from autoassist_fairseq.tools.dataprep.steps import Record, Step, Workshop


def sources(corpus: Corpus, how: Fetching) -> dict[str, tuple[Source, ...]]:
    """The texts of every split, whether they are there yet or not."""
    splits: dict[str, tuple[Source, ...]] = {}
    for part in corpus.parts:
        texts = _texts(corpus, part, how)
        splits[part.split] = (*splits.get(part.split, ()), Source(part.name, texts))
    return splits


def obtain(corpus: Corpus, how: Fetching) -> list[Record]:
    """Make the files that `sources` names; returns the records of the steps.

    Raises:
        UserError: a file is missing, cannot be had, or is not what it must be.
    """
    lock = Lock(how.lock, accept_changed=how.accept_changed)
    with clear_os_errors(), locked(how.out):
        workshop = Workshop(how.out, say)
        for download in corpus.downloads:
            _fetch(workshop, download, how, lock)
            sides = _sides_in(corpus, download, how)
            if sides:
                _unpack(workshop, how.place(download), sides)
        return workshop.records


def _fetch(workshop: Workshop, download: Download, how: Fetching, lock: Lock) -> None:
    place = how.place(download)
    stated = {"size": download.size, "sha256": download.sha256, "md5": download.md5}
    work = partial(fetch, download, how, lock)
    record = workshop.do(Step(f"fetch-{download.name}", (), (place,), stated, work))
    # Also when it was fetched before: the lock file may be another one now. What is not under its
    # own name is not the file that the table knows.
    if place.name == download.name:
        seen = dict(record.counts)
        url = seen.pop("url", None)
        lock.check(download, place, Seen(**seen), url)


def _unpack(workshop: Workshop, archive: Path, sides: Mapping[Path, Side]) -> None:
    options = {path.name: [side.member, side.markup] for path, side in sides.items()}
    work = partial(_write_texts, archive, sides)
    workshop.do(Step(f"unpack-{archive.name}", (archive,), tuple(sides), options, work))


def _texts(corpus: Corpus, part: Part, how: Fetching) -> tuple[Path, Path]:
    source, target = (
        how.place(side.download)
        if side.member is None
        else how.out / "raw" / f"{part.name}.{language}"
        for language, side in zip(corpus.languages, part.sides, strict=True)
    )
    return source, target


def _sides_in(corpus: Corpus, download: Download, how: Fetching) -> dict[Path, Side]:
    """The texts in an archive, by where they go."""
    return {
        text: side
        for part in corpus.parts
        for text, side in zip(_texts(corpus, part, how), part.sides, strict=True)
        if side.download == download and side.member is not None
    }


def _write_texts(archive: Path, sides: Mapping[Path, Side]) -> dict[str, int]:
    """Write the plain texts of ``archive`` to their paths; returns how many lines."""
    folder = next(iter(sides)).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="unpack-") as name:
        members = {side.member or "": Path(name) / path.name for path, side in sides.items()}
        unpack(archive, members)
        lines = (_plain(members[side.member or ""], path, side) for path, side in sides.items())
        return {"lines": sum(lines)}


def _plain(unpacked: Path, text: Path, side: Side) -> int:
    """Strip markup; returns the number of lines."""
    if side.markup == "plain":
        lines = count_lines(unpacked)
        unpacked.replace(text)
        return lines
    # What is not UTF-8 goes through unchanged: the next step finds it, and names its line.
    with (
        staged(text) as part,
        _bytes_as_text(unpacked, "r") as raw,
        _bytes_as_text(part, "w") as out,
    ):
        lines = 0
        for line in MARKUP[side.markup](raw):
            out.write(f"{line}\n")
            lines += 1
    return lines


def _bytes_as_text(path: Path, mode: Literal["r", "w"]) -> TextIO:
    return path.open(mode, encoding="utf-8", errors="surrogateescape", newline="\n")
