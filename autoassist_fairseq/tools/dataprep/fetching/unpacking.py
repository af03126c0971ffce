"""Plain texts out of archives and their markup; an archive has no say in where they go."""

from __future__ import annotations

import gzip
import html
import io
import posixpath
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import staged
from autoassist_fairseq.tools.common.progress import progress
from autoassist_fairseq.tools.dataprep.fetching.table import Side

_SEGMENT = re.compile(r"^\s*<seg\b[^>]*>(.*?)</seg>")
_WRAPPED = re.compile(r"^<(title|description)>(.*)</\1>$")
_ABOUT = re.compile(r"^<(url|talkid|keywords|speaker|reviewer|translator)\b")


def unpack(archive: Path, texts: Mapping[Path, Side]) -> dict[str, int]:
    """Write the ``texts`` of a tar archive, without markup; returns how many ``lines``.

    Reading ends with the last of them.

    Raises:
        UserError: one is missing or no plain file, or the archive is damaged.
    """
    wanted = {side.member: text for text, side in texts.items()}
    lines = 0
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                text = wanted.get(posixpath.normpath(member.name))
                content = tar.extractfile(member) if text and member.isreg() else None
                if text and content:
                    lines += _write(content, text, texts[text].markup)
                    del wanted[texts[text].member]
                if not wanted:
                    return {"lines": lines}
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{archive} must be a whole tar archive, but is damaged ({error}); fetch it again."
        ) from error
    raise UserError(
        f"{archive} must hold {', '.join(map(str, wanted))} as plain files, but does not; fetch "
        "the right archive."
    )


def _write(content: IO[bytes], text: Path, markup: str) -> int:
    # What is not UTF-8 goes through unchanged: the next step finds it, and names its line.
    form = ("utf-8", "surrogateescape", "\n")
    raw = progress(io.TextIOWrapper(content, *form), f"unpacking {text.name}", unit="line")
    lines = 0
    with staged(text) as part, part.open("w", -1, *form) as out:
        for line in MARKUP[markup](raw):
            out.write(f"{line}\n")
            lines += 1
    return lines


def segments(lines: Iterable[str]) -> Iterator[str]:
    """The text of every ``<seg>``, one per line, as WMT's SGML and IWSLT's XML have it.

    Neither can be trusted to be valid XML; entities are resolved.
    """
    for line in lines:
        if found := _SEGMENT.match(line):
            yield html.unescape(found[1]).strip()


def tagged(lines: Iterable[str]) -> Iterator[str]:
    """The sentences of IWSLT's training files; titles and descriptions of talks are sentences."""
    for line in lines:
        text = line.strip()
        if not _ABOUT.match(text):
            found = _WRAPPED.match(text)
            yield found[2].strip() if found else text


def plain(lines: Iterable[str]) -> Iterator[str]:
    """Text without markup."""
    for line in lines:
        yield line.removesuffix("\n")


#: How to get plain text, for each kind of markup.
MARKUP: Mapping[str, Callable[[Iterable[str]], Iterator[str]]] = {
    "plain": plain,
    "segments": segments,
    "tags": tagged,
}
