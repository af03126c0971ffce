"""From a corpus of the table to its plain texts: fetch, check, unpack, strip markup."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import clear_os_errors, locked
from autoassist_fairseq.tools.common.progress import say
from autoassist_fairseq.tools.dataprep.fetching.fetch import Fetching, Lock, fetch
from autoassist_fairseq.tools.dataprep.fetching.table import Corpus, Download, Part, Side
from autoassist_fairseq.tools.dataprep.fetching.unpacking import unpack
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
    lock = Lock(how.lock)
    with clear_os_errors(), locked(how.out):
        workshop = Workshop(how.out, say)
        for download in corpus.downloads:
            place, fetched = how.place(download), _fetch(workshop, download, how, lock)
            try:
                _unpack(workshop, place, _sides_in(corpus, download, how))
            except UserError:
                if "url" in fetched.counts:  # what somebody put there is not ours to remove
                    place.unlink()
                    say(f"{place} is removed: the same command fetches it again")
                raise
            # Not before: what cannot be unpacked must not be what later downloads are held to.
            if place.name == download.name:
                (sha256,) = fetched.outputs.values()
                lock.record(download, place, sha256, fetched.counts.get("url"))
        return workshop.records


def _unpack(workshop: Workshop, archive: Path, sides: Mapping[Path, Side]) -> None:
    if sides:
        options = {path.name: [side.member, side.markup] for path, side in sides.items()}
        work = partial(unpack, archive, sides)
        workshop.do(Step(f"unpack-{archive.name}", (archive,), tuple(sides), options, work))


def _fetch(workshop: Workshop, download: Download, how: Fetching, lock: Lock) -> Record:
    place = how.place(download)
    work = partial(fetch, download, how, lock)
    stated = {"checksum": download.checksum}
    record = workshop.do(Step(f"fetch-{download.name}", (), (place,), stated, work))
    # Also when it was fetched before: the lock file may be another one now. What is not under its
    # own name is not the file that the table knows.
    if place.name != download.name:
        return record
    against = lock.objection(download, place)
    if against and not how.accept_changed:
        raise UserError(
            f"{place} {against}; fetch it again, or, if its publisher has changed it and you want "
            "it so, give `--accept-changed`."
        )
    if against:
        say(f"warning: {place} {against}; accepted")
    return record


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
