"""Files that appear whole or not at all, their digests, and a lock on their folder."""

from __future__ import annotations

import errno
import fcntl
import gzip
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from autoassist_fairseq.errors import UserError

#: Name of the file that marks a folder as in use.
LOCK = ".lock"
#: Files of source and target.
Paths = tuple[Path, Path]

_BLOCK = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
# How files begin that others pack; bzip2's: its name, a size, and a block or the end.
_PACKED = {
    "xz": rb"\xfd7zXZ\0",
    "bzip2": rb"BZh[1-9](1AY&SY|\x17rE8P\x90)",
    "zip": rb"PK\x03\x04",
    "zstd": rb"\x28\xb5\x2f\xfd",
}
# What a file system says that knows no locks.
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}


def sha256(path: Path) -> str:
    """SHA-256 of the file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def count_lines(path: Path) -> int:
    """Number of lines of a plain file; the last one needs no line feed."""
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def open_text(path: Path) -> BinaryIO:
    """Open plain or gzipped text, a pipe too, for reading bytes, whatever it is called.

    Raises:
        UserError: it is packed by something else.
    """
    stream = path.open("rb")
    first = stream.peek(len(_GZIP_MAGIC))
    if packed := [name for name, magic in _PACKED.items() if re.match(magic, first)]:
        stream.close()
        raise UserError(
            f"Text must be plain or gzipped, but {path} is packed by {packed[0]}; unpack it."
        )
    if not first.startswith(_GZIP_MAGIC):
        return stream
    unpacked = gzip.GzipFile(fileobj=stream, mode="rb")
    # What it is to close, which else is only what it opened itself.
    unpacked.myfileobj = cast(Any, stream)
    return cast(BinaryIO, unpacked)


def not_files(paths: Iterable[Path]) -> str:
    """Return what to say of those of ``paths`` that cannot be read more than once; "" of none."""
    told = [path for path in paths if not path.is_file()]
    odd = [path.exists() or path == Path("-") for path in told]  # a folder, a pipe, stdin
    whys = ["no file" if one else "not there" for one in odd]
    return ", ".join(f"{path} is {why}" for path, why in zip(told, whys, strict=True))


def check_unsplit(option: str, path: Path) -> None:
    """Require a path that fairseq, which is to read it, takes for one.

    Raises:
        UserError: it would take it for several; names the ``option`` that it follows from.
    """
    if ":" in str(path):
        raise UserError(
            f"`{option}` must be without `:`, at which fairseq splits names, but is {path}; choose "
            "another place."
        )


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A path to write to, which becomes ``target`` (file or folder) when all is on the disk.

    Others rely on what is there whole: after a power cut it must not be there empty. A folder that
    is there keeps what the new one lacks. Links are followed; a pipe or a device is written to as
    it is.
    """
    if target.exists() and not target.is_file() and not target.is_dir():
        yield target
        return
    target = target.resolve()
    part = target.with_name(f"{target.name}.part")
    _remove(part)
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        for path in (part, *part.rglob("*")):
            _to_disk(path)
        changed = _put(part, target)
        with suppress(OSError):  # not every file system lets a folder be written out
            _to_disk(changed)
    finally:
        _remove(part)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """An empty folder for the time of the block; what a killed run has left in it goes first."""
    _remove(folder)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        _remove(folder)


def _put(part: Path, target: Path) -> Path:
    """Put ``part`` in its place; returns the folder that this changed."""
    if not (part.is_dir() and target.is_dir()):
        part.replace(target)
        return target.parent
    new = list(part.iterdir())
    for path in new:  # all of the old ones first: at no time do old and new ones lie together
        _remove(target / path.name)
    for path in new:
        path.replace(target / path.name)
    return target


def _to_disk(path: Path) -> None:
    place = os.open(path, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` so that an interruption leaves the old file or the new one.

    Names of files that are not UTF-8 are written as the bytes that they are.
    """
    with staged(path) as part:
        part.write_text(text, encoding="utf-8", errors="surrogateescape")


def read_text(path: Path) -> str:
    """Return what `write_text` wrote."""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write ``lines``, each with a line feed, as `write_text` does."""
    write_text(path, "".join(f"{line}\n" for line in lines))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` as `write_text` does."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in ``path``; None when there is none or it was cut off."""
    try:
        content = json.loads(read_text(path))
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder`` (which is made) for this process, or warn where that cannot be.

    Raises:
        UserError: another process works in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise UserError(
                f"`--out` must not be in use, but another run is working in {folder}; wait for it "
                "or choose another folder."
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            print(
                f"warning: {folder} is on a file system without locks ({error.strerror}): start no "
                "other run in it before this one has ended.",
                file=sys.stderr,
            )
        yield


@contextmanager
def clear_os_errors() -> Iterator[None]:
    """Turn a full disk, a read-only folder and the like into a `UserError`."""
    try:
        yield
    except BrokenPipeError:  # nobody wants to read more: no fault, see `run_main`
        raise
    except OSError as error:
        where = f" at {os.fspath(error.filename)}" if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"More disk space is needed: the disk is full{where}; free some, or write to "
                "another one."
            ) from error
        reason = error.strerror or str(error)
        raise UserError(f"A file could not be read or written{where}: {reason}.") from error
