"""However a run ends, no process of it stays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from binarised import Binarised
from faulty import GLOO, train
from training import ENVIRONMENT, Server, train_flags

pytestmark = pytest.mark.slow

# Two workers that load data.
FLAGS = ("--max-tokens", 100, "--max-epoch", 2, "--num-workers", 2, "--data-buffer-size", 10)
AT = [2, 12, 0]
SECONDS = 30.0  # a loading process looks for its parent every few seconds


def state_and_parent(pid: int) -> tuple[str, int] | None:
    """Return what /proc says of a process; None if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1])


def runs(pid: int) -> bool:
    """Tell whether a process runs; one that has ended, and waits to be collected, does not."""
    found = state_and_parent(pid)
    return found is not None and found[0] != "Z"


def await_end(pids: list[int]) -> list[int]:
    """Return those of ``pids`` that still run after `SECONDS`."""
    due = time.monotonic() + SECONDS
    while (left := [pid for pid in pids if runs(pid)]) and time.monotonic() < due:
        time.sleep(0.1)
    return left


@pytest.mark.parametrize(
    ("how", "status", "last"),
    [
        ("success", 0, "done training"),
        ("error", 1, "autoassist: error: the Assistant failed with ZeroDivisionError"),
        ("interrupt", -signal.SIGINT, "autoassist: interrupted"),
        ("terminate", -signal.SIGTERM, None),
    ],
)
def test_nothing_is_left_behind(
    how: str, status: int, last: str | None, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    numbers = {"interrupt": signal.SIGINT, "terminate": signal.SIGTERM}
    # Signal 0 is none at all: it only lets the fault record the processes.
    faults = {"signalled": {"at": AT, "number": int(numbers.get(how, 0))}}
    if how == "error":
        faults["assistant_fails"] = {"where": "learn", "after": 73}
    run = train(server, corpus.data, tmp_path, *FLAGS, **faults)
    assert run.status == status, run.output
    # A loading process that is handing over a tensor when it is told to end says so by a traceback
    # of Python's own (multiprocessing's resource_sharer), rarely; none of it is ours.
    for traceback in run.output.split("Traceback")[1:]:
        assert "resource_sharer" in traceback, run.output
    assert last is None or last in run.output.splitlines()[-1]
    seen = run.of("signalled")[0]
    assert len(seen["children"]) >= 2 and "assistant" in seen["threads"]
    assert await_end(seen["children"]) == []


def test_a_rank_that_dies_takes_the_others_with_it(corpus: Binarised, tmp_path: Path) -> None:
    torchrun = [Path(sys.executable).with_name("torchrun"), "--standalone", "--nproc-per-node", 2]
    program = ["--no-python", Path(sys.executable).with_name("fairseq-train"), corpus.data]
    flags = train_flags(tmp_path, "--cpu", *GLOO, *FLAGS, "--max-epoch", 10_000)
    log = tmp_path / "log"
    with log.open("w") as output:
        agent = subprocess.Popen(
            [str(part) for part in (*torchrun, *program, *flags)],
            env=ENVIRONMENT,
            stdout=output,
            stderr=output,
        )
    try:
        await_line(log, "end of epoch 1 ", agent)
        ranks = [pid for pid in processes() if (state_and_parent(pid) or ("", 0))[1] == agent.pid]
        below = [pid for pid in processes() if (state_and_parent(pid) or ("", 0))[1] in ranks]
        assert len(ranks) == 2 and len(below) >= 4
        os.kill(ranks[1], signal.SIGKILL)
        assert agent.wait(60) == 1
        assert await_end(ranks + below) == []
    finally:
        agent.kill()
    assert (tmp_path / "checkpoint1.pt").exists() and not list(tmp_path.glob("*.tmp"))


def await_line(log: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until ``text`` is in ``log``."""
    due = time.monotonic() + 120
    while text not in log.read_text():
        assert process.poll() is None and time.monotonic() < due, log.read_text()
        time.sleep(0.2)


def processes() -> list[int]:
    """Return all processes."""
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return []
