"""Compiled loops, kept between runs: in a folder named by all that they are made of.

Numba itself looks at a function's own file only, so that what it takes from another one (a column,
a limit) would stay as it was compiled.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

# Intel's vector library, where it is installed, rounds differently on other processors.
os.environ.setdefault("NUMBA_DISABLE_INTEL_SVML", "1")

import numba

HERE = Path(__file__).resolve().parent
UNUSED = 7 * 86_400
DIGEST = 8  # bytes
USERS = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")


def sources() -> list[Path]:
    """Return the files that compiled loops are made of; they take constants from these only."""
    return [
        path
        for path in sorted(HERE.rglob("*.py"))
        if any(sign in path.read_bytes() for sign in (b"@compiled", b"@intrinsic", b"numba.njit"))
    ]


def cache_folders() -> Iterable[Path]:
    """Return where compiled loops may be kept: where the user says, beside us, at the user's."""
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=DIGEST)
    for source in map(Path.read_bytes, sources()):
        digest.update(source)
    places = [HERE / "__pycache__", USERS / "autoassist_fairseq"]
    given = numba.config.CACHE_DIR
    return [place / f"numba-{digest.hexdigest()}" for place in ([Path(given)] if given else places)]


def writable(folders: Iterable[Path]) -> Path | None:
    """Return the first of ``folders`` that can be made and written to; None if none can."""
    for folder in folders:
        try:
            folder = folder.expanduser()
            new = not folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                os.utime(folder)
            if new:
                forget_old(folder.parent)
            return folder
        except (OSError, RuntimeError):
            continue
    return None


def forget_old(place: Path) -> None:
    """Remove from ``place`` what no process has begun with for `UNUSED` seconds.

    One that is running still does without, as on a full disk.
    """
    for other in place.glob(f"numba-{'[0-9a-f]' * 2 * DIGEST}"):
        with contextlib.suppress(OSError):  # another process removes it as well
            if time.time() - other.stat().st_mtime > UNUSED:
                shutil.rmtree(other)


# Where compiled loops are kept; None: nowhere, every process compiles them again.
FOLDER = writable(cache_folders())


def compiled(function: Callable[..., Any]) -> Any:
    """Compile ``function`` when it is first called; it then releases the GIL."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(FOLDER or "")
    try:
        loop = numba.njit(nogil=True, cache=FOLDER is not None)(function)
    finally:
        numba.config.CACHE_DIR = before
    for name in ("load_overload", "save_overload"):
        setattr(loop._cache, name, _if_possible(getattr(loop._cache, name)))
    return loop


def _if_possible(action: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``action``, but None where the disk is full, or gone: that costs time, not the run."""

    def attempt(*what: Any) -> Any:
        try:
            return action(*what)
        except OSError:
            return None

    return attempt
