"""Calling fairseq's command-line programs: read as they go on, logged, and ended with us."""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.progress import bar, tick
from autoassist_fairseq.tools.install.programs import find_program

_PR_SET_PDEATHSIG = 1
_GRACE = 10.0  # seconds between asking a program to end and ending it
_END = object()


def program(name: str) -> Path:
    """The program ``name`` of the environment of this interpreter.

    Raises:
        UserError: it is not installed there.
    """
    path = find_program(name)
    if path is None:
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


def run_logged(name: str, arguments: Sequence[str], log: Path, *, filling: Path) -> None:
    """Run a program to its end, its output in ``log``; shows how the folder ``filling`` grows.

    Raises:
        UserError: it failed; the message has its last line and the log's place.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    with bar(desc=name, unit="B", unit_scale=True, delay=1) as shown:
        for _ in lines_of(name, arguments, log, threads=1):
            shown.n = _size(filling)
            tick(shown)


def _size(folder: Path) -> int:
    size = 0
    for file in folder.glob("*"):
        with suppress(FileNotFoundError):  # workers remove what has been joined
            size += file.stat().st_size
    return size


def lines_of(
    name: str, arguments: Sequence[str], log: Path, *, threads: int | None = None, tick: float = 1.0
) -> Iterator[str | None]:
    """Run a program of fairseq's and yield its lines; None after every ``tick`` seconds without.

    All output is appended to ``log``. When the reader stops early, the program is ended.

    Raises:
        UserError: the program failed.
    """
    with log.open("ab") as record, _started(name, arguments, threads) as child:
        assert child.stdout is not None
        lines: queue.Queue[object] = queue.Queue()
        threading.Thread(target=_forward, args=(child.stdout, lines), daemon=True).start()
        while True:
            try:
                line = lines.get(timeout=tick)
            except queue.Empty:
                yield None
                continue
            if not isinstance(line, bytes):
                break
            record.write(line)
            record.flush()
            yield line.decode("utf-8", errors="replace").rstrip("\n")
        status = child.wait()
    if status:
        raise _failure(name, status, log)


def _forward(stream: IO[bytes], lines: queue.Queue[object]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(_END)


@contextmanager
def _started(
    name: str, arguments: Sequence[str], threads: int | None
) -> Iterator[subprocess.Popen[bytes]]:
    limit = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    child = subprocess.Popen(
        [str(program(name)), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(**limit, PYTHONUNBUFFERED="1"),
        # Ctrl-C is for this process alone: it ends the child, which then prints no traceback.
        start_new_session=True,
        preexec_fn=partial(end_with_parent, os.getpid()),
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGTERM)  # with the processes that it has started
            try:
                child.wait(_GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def end_with_parent(parent: int) -> None:
    """Have Linux end this child when the process ``parent`` is killed and cannot do so itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # killed before it was watched
        os._exit(1)


def _failure(name: str, status: int, log: Path) -> UserError:
    """The error for a program that ended with ``status``."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1].strip() if lines else "it printed nothing"
    return UserError(f"`{name}` failed with status {status} ({last}); its output is in {log}.")
