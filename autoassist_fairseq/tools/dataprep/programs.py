"""Calling fairseq's command-line programs: logged, and with a clear word when one fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.progress import bar, tick

_TICK = 0.5  # seconds between two looks at how far a program has come


def program(name: str) -> Path:
    """The program ``name`` of the environment of this interpreter.

    Raises:
        UserError: it is not installed there.
    """
    path = Path(sys.executable).with_name(name)
    if not path.is_file():
        raise UserError(
            f"`{name}` must be installed beside {sys.executable}, but is not; run `make setup` and "
            "use its .venv/bin/python."
        )
    return path


def environment(**changes: str) -> Mapping[str, str]:
    """This process's environment, with ``changes``; text is UTF-8, whatever the locale.

    Threads wait for each other asleep: OpenMP's threads otherwise spin, and on a machine that
    other work shares that slows small models down several times.
    """
    return {**os.environ, "PYTHONUTF8": "1", "OMP_WAIT_POLICY": "passive", **changes}


def run_logged(
    name: str, arguments: Sequence[str], log: Path, *, filling: Path, **changes: str
) -> None:
    """Run a program to its end, its output in ``log``; shows how the folder ``filling`` grows.

    Raises:
        UserError: it failed; the message has its last line and the log's place.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream, bar(desc=name, unit="B", unit_scale=True, delay=1) as shown:
        command = [str(program(name)), *arguments]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment(**changes),
        ) as child:
            try:
                status = _watched(child, filling, shown)
            except BaseException:
                child.kill()
                raise
    if status:
        raise failure(name, status, log)


def _watched(child: subprocess.Popen[bytes], filling: Path, shown: tqdm[Any]) -> int:
    while True:
        try:
            return child.wait(_TICK)
        except subprocess.TimeoutExpired:
            shown.n = sum(file.stat().st_size for file in filling.glob("*"))
            tick(shown)


def failure(name: str, status: int, log: Path) -> UserError:
    """The error for a program that ended with ``status``."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1].strip() if lines else "it printed nothing"
    return UserError(f"`{name}` failed with status {status} ({last}); its output is in {log}.")
