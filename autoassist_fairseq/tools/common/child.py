"""A program whose output is read as it comes, and that does not outlive this process."""

from __future__ import annotations

import ctypes
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from autoassist_fairseq.tools.dataprep.programs import environment, failure, program

_PR_SET_PDEATHSIG = 1
_GRACE = 10.0  # seconds between asking a program to end and ending it
_END = object()


def lines_of(
    name: str, arguments: Sequence[str], log: Path, *, threads: int, tick: float = 1.0
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
        raise failure(name, status, log)


def _forward(stream: IO[bytes], lines: queue.Queue[object]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(_END)


@contextmanager
def _started(
    name: str, arguments: Sequence[str], threads: int
) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        [str(program(name)), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(OMP_NUM_THREADS=str(threads), PYTHONUNBUFFERED="1"),
        # Ctrl-C is for this process alone: it ends the child, which then prints no traceback.
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(_GRACE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _end_with_parent() -> None:
    # Runs in the child: Linux ends it when this process is killed and cannot do so itself.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
