"""Programs that a tool starts: read as they come, never left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common import child

ROOT = Path(__file__).resolve().parents[1]


Fake = Callable[[str], None]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Put a Python program in the place of fairseq's."""
    script = tmp_path / "program"

    def write(code: str) -> None:
        script.write_text(f"#!{sys.executable}\nimport os, sys, time\n{code}\n")
        script.chmod(0o755)

    monkeypatch.setattr(child, "program", lambda _: script)
    return write


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_lines_come_as_they_are_printed(fake: Fake, tmp_path: Path) -> None:
    fake("print(os.environ['OMP_NUM_THREADS'], sys.argv[1]); print('ä', file=sys.stderr)")
    log = tmp_path / "log"
    assert list(child.lines_of("any", ["flag"], log, threads=3, tick=60)) == ["3 flag", "ä"]
    assert log.read_text("utf-8") == "3 flag\nä\n"


def test_silence_is_ticks(fake: Fake, tmp_path: Path) -> None:
    fake("time.sleep(0.4)")
    assert None in list(child.lines_of("any", [], tmp_path / "log", threads=1, tick=0.02))


def test_a_child_that_fails_is_an_error(fake: Fake, tmp_path: Path) -> None:
    fake("sys.exit('no data found')")
    with pytest.raises(UserError, match=r"`any` failed with status 1 \(no data found\)"):
        list(child.lines_of("any", [], tmp_path / "log", threads=1))


def test_a_reader_that_stops_ends_the_child_and_its_workers(fake: Fake, tmp_path: Path) -> None:
    fake("worker = os.fork(); worker and print(os.getpid(), worker); time.sleep(600)")
    lines: Iterator[Any] = child.lines_of("any", [], tmp_path / "log", threads=1, tick=60)
    pids = [int(pid) for pid in next(lines).split()]
    assert not any(map(gone, pids))
    lines.close()  # type: ignore[attr-defined]
    assert within(10, lambda: all(map(gone, pids)))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's prctl")
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "program"
    script.write_text(f"#!{sys.executable}\nimport os, time\nprint(os.getpid())\ntime.sleep(600)\n")
    script.chmod(0o755)
    code = (
        "from pathlib import Path; from autoassist_fairseq.tools.common import child\n"
        f"child.program = lambda name: Path({str(script)!r})\n"
        f"for line in child.lines_of('any', [], Path({str(tmp_path / 'log')!r}), threads=1):\n"
        "    line and print(line, flush=True)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert not gone(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert within(10, lambda: gone(pid))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's prctl")
def test_workers_end_when_their_parent_is_killed() -> None:
    code = """
import time
from multiprocessing import active_children, resource_tracker
from autoassist_fairseq.tools.dataprep.parallel import ordered_map

def waits():
    yield from (600, 600)
    pids = [worker.pid for worker in active_children()]
    print(*pids, resource_tracker._resource_tracker._pid, flush=True)
    yield 600

list(ordered_map(time.sleep, waits(), workers=2))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 3 and not any(map(gone, pids))
        parent.kill()
    assert within(30, lambda: all(map(gone, pids)))


def processes_in(folder: Path) -> list[int]:
    """The processes that have ``folder`` on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command:
                found.append(int(entry.name))
    return found
