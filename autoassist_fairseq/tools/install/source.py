"""Fetch, verify and unpack the official source of fairseq; standard library only."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.install.pip_run import run_pip, say

VERSION = "0.12.2"
SDIST_SHA256 = "34f1b18426bf3844714534162f065ab733e049597476daa35fffb4d06a92b524"


def fetch_sdist(cache: Path, scratch: Path) -> Path:
    """Return fairseq's source archive, from the cache or else from pip's index, verified."""
    kept = cache / f"fairseq-{VERSION}.tar.gz"
    if kept.is_file() and sha256(kept) == SDIST_SHA256:
        return kept
    say(f"fetching the source of fairseq {VERSION}")
    # With the hash in a requirements file pip compares it before it runs anything of the archive.
    wish = scratch / "wish.txt"
    wish.write_text(f"fairseq=={VERSION} --hash=sha256:{SDIST_SHA256}\n", encoding="utf-8")
    found = scratch / "download"
    run_pip(
        ["download", "--no-deps", "--no-binary", "fairseq", "-d", str(found), "-r", str(wish)],
        "fetching the source of fairseq",
    )
    archive = found / kept.name
    verify(archive)
    partial = Path(shutil.copy2(archive, f"{kept}.{os.getpid()}"))
    return partial.replace(kept)


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def verify(archive: Path) -> None:
    """Raise `UserError` unless this is the official source archive, byte for byte."""
    found = sha256(archive) if archive.is_file() else "missing"
    if found != SDIST_SHA256:
        raise UserError(
            f"`{archive.name}` must have the SHA-256 {SDIST_SHA256}, but it is {found}: "
            "the index that pip is configured for serves another file."
        )


def unpack(archive: Path, into: Path) -> Path:
    """Unpack an archive with one top folder, refusing members that would leave it.

    Returns:
        The top folder.

    Raises:
        UserError: A member is a link, a device, or has a path out of `into`; nothing is unpacked.
    """
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        for member in members:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
                raise UserError(
                    f"`{archive.name}` must hold only files and folders below its own, "
                    f"but holds `{member.name}`: do not use it."
                )
        # The filter drops owners and odd modes too, where this Python has it.
        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        tar.extractall(into, members=members)
    return into / PurePosixPath(members[0].name).parts[0]
