"""Build and install the corrected fairseq from its official source; standard library only."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.install import edits as fairseq_edits
from autoassist_fairseq.tools.install.interpreter import Interpreter, this
from autoassist_fairseq.tools.install.pip_run import run_pip, say
from autoassist_fairseq.tools.install.source import SDIST_SHA256, VERSION, fetch_sdist, unpack

PYTHON_RANGE = ((3, 10), (3, 13))


def main(argv: Sequence[str] | None = None) -> int:
    """Build the wheel unless it is there, and install it unless it is installed.

    Args:
        argv: Command line without the program's name; None takes the program's.

    Returns:
        0; the wheel's path goes to stdout.
    """
    options = _parse(argv)
    check_python(sys.version_info[:2])
    digest = fairseq_edits.digest()
    wanted = not options.no_install and options.out is None
    if wanted and not options.force and installed_digest() == digest:
        say(f"fairseq {fairseq_edits.LOCAL_VERSION} is installed and up to date: nothing to do")
        return 0
    if options.out is not None:
        make_folder(options.out, "--out")
    wheel = cached_wheel(cache_dir(), digest, force=options.force)
    if options.out is not None:
        wheel = Path(shutil.copy2(wheel, options.out))
    if not options.no_install:
        install(wheel)
    print(wheel)
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="autoassist build-fairseq",
        description=f"Build fairseq {VERSION}, corrected for Python 3.10-3.13, and install it "
        "into the Python that runs this script.",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="put the wheel there as well")
    parser.add_argument("--no-install", action="store_true", help="build only")
    parser.add_argument("--force", action="store_true", help="build and install again")
    return parser.parse_args(argv)


def check_python(version: tuple[int, int]) -> None:
    """Raise `UserError` for a Python (major, minor) that fairseq cannot be corrected for."""
    low, high = PYTHON_RANGE
    if not low <= version <= high:
        raise UserError(
            "`python` must be 3.10 to 3.13, the versions that torch and the corrected fairseq "
            f"support, but is {version[0]}.{version[1]}: try make setup PYTHON=python3.11."
        )


def make_folder(path: Path, option: str) -> None:
    """Make a folder that an option names, unless it is there; raise `UserError` if it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"`{option}` must lead to a folder that can be written to, but {path} cannot be made "
            f"({error.strerror}): choose another."
        ) from error


def cache_dir() -> Path:
    """Return the user's cache folder of this project (`XDG_CACHE_HOME` moves it)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "autoassist_fairseq"


def installed_digest() -> str | None:
    """Return which edits the installed fairseq was made with; None if it is another, or none."""
    try:
        stamp = Path(
            str(importlib.metadata.distribution("fairseq").locate_file(fairseq_edits.STAMP))
        )
        found = re.search(r'DIGEST = "(\w+)"', stamp.read_text(encoding="utf-8"))
    except (importlib.metadata.PackageNotFoundError, OSError):
        return None
    return found[1] if found else None


def cached_wheel(
    cache: Path, digest: str, *, force: bool = False, python: Interpreter | None = None
) -> Path:
    """Return the corrected wheel for a Python, building it if it is not in the cache.

    Args:
        cache: Folder to keep the source and the wheels in.
        digest: The edits' name.
        force: Build even if there is one.
        python: The Python to build for; None: this one.

    Raises:
        UserError: The source cannot be had or is another, an edit does not match, or the build
            fails. The cache stays as it was.
    """
    python = python or this()
    home = cache / f"{SDIST_SHA256[:12]}-{digest}-{python.tag}"
    wheels = sorted(home.glob("*.whl"))
    if wheels and not force:
        say(f"found the corrected wheel in {home}")
        return wheels[-1]
    make_folder(home, "XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory(prefix="fairseq-") as scratch:
        sdist = fetch_sdist(cache, Path(scratch))
        wheel = build(sdist, Path(scratch), python.path)
        # A rename is atomic: whoever else looks sees the whole wheel or none.
        partial = Path(shutil.copy2(wheel, home / f"{wheel.name}.{os.getpid()}"))
    return partial.replace(home / wheel.name)


def build(sdist: Path, scratch: Path, python: str) -> Path:
    """Correct the source and build it in isolation.

    Args:
        sdist: The verified archive.
        scratch: An empty folder to work in.
        python: The Python to build for.

    Returns:
        The wheel, inside `scratch`.
    """
    tree = unpack(sdist, scratch / "source")
    fairseq_edits.apply_edits(tree)
    say("building fairseq (about a minute)")
    out = scratch / "wheel"
    run_pip(["wheel", "--no-deps", "-w", str(out), str(tree)], "building fairseq", python)
    return next(out.glob("*.whl"))


def install(wheel: Path) -> None:
    """Install a wheel into this Python; what it needs is left to `pip install .`."""
    say(f"installing {wheel.name}")
    run_pip(["install", "--no-deps", "--force-reinstall", str(wheel)], "installing fairseq")
