"""The shape of the table of downloads: files, what is in them, and who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Download:
    """One file to fetch.

    Attributes:
        name: what it is called on disk.
        urls: where it is, the same file everywhere, in the order in which they are tried.
        page: what describes it.
        licence: terms of use, as its publishers put them.
        evidence: who states the figures below; None figures are recorded at the first download.
        size: bytes.
        checksum: ``sha256:`` or ``md5:`` and the figure in hexadecimal, as pooch has it.
    """

    name: str
    urls: tuple[str, ...]
    page: str
    licence: str
    evidence: str
    size: int | None = None
    checksum: str | None = None


@dataclass(frozen=True)
class Side:
    """The text of one language of a part.

    Attributes:
        download: the file that it is in.
        member: its name in that archive; None when the file is the text itself.
        markup: how the text is marked up, one of `unpacking.MARKUP`.
    """

    download: Download
    member: str | None = None
    markup: str = "plain"


@dataclass(frozen=True)
class Part:
    """A pair of texts of a corpus.

    Attributes:
        name: unique in the corpus; names files and counts.
        split: train, valid or test; parts of the same split are joined.
        sides: source and target.
    """

    name: str
    split: str
    sides: tuple[Side, Side]


@dataclass(frozen=True)
class Corpus:
    """A corpus that can be fetched.

    Attributes:
        name: of the subcommand that prepares it.
        title: for people.
        languages: source and target.
        parts: all of it.
        defaults: options that differ from the engine's own, by their argparse names.
    """

    name: str
    title: str
    languages: tuple[str, str]
    parts: tuple[Part, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def downloads(self) -> tuple[Download, ...]:
        """The files that it needs, each once."""
        return tuple(dict.fromkeys(side.download for part in self.parts for side in part.sides))
