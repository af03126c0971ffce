"""Texts out of archives that are not trusted: nothing else is written; and out of their markup."""

from __future__ import annotations

import html
import re
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tqdm.utils import CallbackIOWrapper

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.files import staged
from autoassist_fairseq.tools.dataprep.progress import bar

_BLOCK = 1 << 20
#: Text shrinks to a quarter or so; whoever packs more tightly fills the disk on purpose.
MOST_PER_BYTE = 40


def unpack(archive: Path, members: Mapping[str, Path], most_per_byte: int = MOST_PER_BYTE) -> None:
    """Write each of ``members`` (names in a tar archive, compressed or not) to its path.

    Reading ends with the last of them. The archive has no say in where they go.

    Raises:
        UserError: one is missing or no plain file; a name leads out of the archive; the archive
            is damaged, or unpacks to more than ``most_per_byte`` times its size.
    """
    wanted = dict(members)
    room = archive.stat().st_size * most_per_byte
    with _opened(archive) as tar:
        for member in tar:
            name = _checked_name(archive, member)
            room -= member.size
            if room < 0:
                raise _bad(archive, f"unpack to at most {most_per_byte} times its size", name)
            if name in wanted:
                _write(archive, tar, member, wanted.pop(name))
            if not wanted:
                return
    missing = ", ".join(wanted)
    raise UserError(f"{archive} must hold {missing}, but does not; fetch the right archive.")


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    options = {"total": archive.stat().st_size, "unit": "B", "unit_scale": True, "delay": 1}
    try:
        with bar(desc=f"unpacking {archive.name}", **options) as shown, archive.open("rb") as raw:
            counted = CallbackIOWrapper(shown.update, raw, "read")
            with tarfile.open(fileobj=counted, mode="r|*", bufsize=_BLOCK) as tar:
                yield tar
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(
            f"{archive} must be a whole tar archive, but is damaged ({error}); fetch it again."
        ) from error


def _checked_name(archive: Path, member: tarfile.TarInfo) -> str:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise _bad(archive, "keep to names inside it", member.name)
    return str(path)


def _write(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        raise _bad(archive, "hold plain files", member.name)
    with staged(target) as part, part.open("wb") as out:
        shutil.copyfileobj(content, out, _BLOCK)


def _bad(archive: Path, rule: str, name: str) -> UserError:
    return UserError(f"{archive} must {rule}, but {name!r} does not; do not use this archive.")


_SEGMENT = re.compile(r"^\s*<seg\b[^>]*>(.*?)</seg>")
_WRAPPED = re.compile(r"^<(title|description)>(.*)</\1>$")
_ABOUT = re.compile(r"^<(url|talkid|keywords|speaker|reviewer|translator)\b")


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


#: How to get plain text, for each kind of markup; "plain" is what needs nothing done.
MARKUP: Mapping[str, Callable[[Iterable[str]], Iterator[str]]] = {
    "segments": segments,
    "tags": tagged,
}
