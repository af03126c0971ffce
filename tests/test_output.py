"""What is printed to nobody, or to a full disk: no traceback, from whichever door."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULE = [sys.executable, "-m", "autoassist_fairseq"]
COMMANDS = {
    "help": [*MODULE, "--help"],
    "version": [*MODULE, "--version"],
    "help of a command": [*MODULE, "doctor", "--help"],
    "a command": [*MODULE, "user-dir"],
    "a door": [sys.executable, str(ROOT / "scripts" / "build_fairseq.py"), "--help"],
}


def ended(words: list[str], stdout: int, unbuffered: str) -> tuple[int, str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(words, stdout=stdout, stderr=subprocess.PIPE, text=True, env=env)
    return done.returncode, done.stderr


@pytest.fixture
def unread() -> Iterator[int]:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("name", COMMANDS)
def test_nobody_reads(name: str, unbuffered: str, unread: int) -> None:
    status, told = ended(COMMANDS[name], unread, unbuffered)
    swallowed = (
        unbuffered and COMMANDS[name][-1] == "--help" and name != "help"
    )  # by argparse itself
    assert (status, told) == (0 if swallowed else 141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("name", ["help", "a command"])
def test_the_disk_is_full(name: str, unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        status, told = ended(COMMANDS[name], full.fileno(), unbuffered)
    assert status == 1 and told.count("\n") == 1
    assert told.startswith("error: ") and ("No space" in told or "disk is full" in told)


def test_nothing_to_print_to() -> None:
    words = [*MODULE, "user-dir"]
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *words], capture_output=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, b"")
