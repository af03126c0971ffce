"""Call pip, with build tools pinned; standard library only."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from autoassist_fairseq.errors import UserError

CONSTRAINTS = Path(__file__).parents[3] / "constraints.txt"


def say(text: str) -> None:
    """Tell a person what goes on, on stderr."""
    print(text, file=sys.stderr, flush=True)


def run_pip(arguments: Sequence[str], doing: str, python: str | None = None) -> None:
    """Run pip and show what it said only if it failed.

    Args:
        arguments: Its command line.
        doing: What for, to begin an error's sentence with.
        python: The Python that it works for; None: this one.

    Raises:
        UserError: pip failed.
    """
    done = call_pip(arguments, python=python)
    if done.returncode:
        say(done.stdout[-6000:])
        raise UserError(
            f"{doing} must succeed, but pip ended with status {done.returncode}: see its output "
            "above (building needs pip, a C++ compiler and Python's headers)."
        )


def call_pip(
    arguments: Sequence[str], *, python: str | None = None, pinned: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run this Python's pip for ``python`` to its end; ``stdout`` is all that it said."""
    for_another = [] if python is None else ["--python", python]
    return subprocess.run(
        [sys.executable, "-m", "pip", *for_another, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=_pip_environment(pinned),
        check=False,
    )


def _pip_environment(pinned: bool) -> dict[str, str]:
    """Install here whatever the user's is set to, with pinned build tools (see the Makefile)."""
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_USER="0")
    for elsewhere in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"):
        environment.pop(elsewhere, None)
    if pinned and CONSTRAINTS.is_file():
        new = _pip_version() >= (25, 3)
        environment["PIP_BUILD_CONSTRAINT" if new else "PIP_CONSTRAINT"] = str(CONSTRAINTS)
    return environment


def _pip_version() -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in importlib.metadata.version("pip").split(".")[:2])
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return (0,)
