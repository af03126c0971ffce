"""Runs ``fairseq-train`` as a user does, and watches how long it takes and what it holds."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import autoassist_fairseq
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.words import as_words, model_size
from autoassist_fairseq.tools.synthetic.files import SOURCE, TARGET

USER_DIR = str(Path(autoassist_fairseq.__file__).parent)
OURS = ("--user-dir", USER_DIR, "--task", "autoassist_translation")
PAPER = (*OURS, "--autoassist-policy", "shrink", "--autoassist-hopeless", "off")
# Flags of every model that is trained.
ON_CPU = (
    "--share-decoder-input-output-embed --optimizer adam --lr 0.001 --seed 1 --cpu --no-save "
    "--criterion label_smoothed_cross_entropy --label-smoothing 0.1 --disable-validation "
    f"--source-lang {SOURCE} --target-lang {TARGET}"
)
POLL = 0.1
TAIL = 15  # lines of a failed program that are shown


def tiny_model(width: int = 16, layers: int = 1) -> list[str]:
    """Return the flags of a small Transformer on the CPU, without checkpoints and validation."""
    rest = f"--arch transformer_tiny {ON_CPU} --log-format json --log-interval 1"
    return [*as_words(model_size(layers, width, heads=2)), *rest.split()]


@dataclass(frozen=True)
class Watched:
    """What was seen of a program.

    Attributes:
        first: seconds from its launch to the end of its first update.
        seconds: seconds from its launch to the end of the last update that was waited for.
        peak: the most bytes of its own that were ever seen.
    """

    first: float
    seconds: float
    peak: int


def start(
    words: Sequence[object], output: int | IO[str] = subprocess.PIPE
) -> subprocess.Popen[str]:
    """Start a program that has one core to itself."""
    package = str(Path(USER_DIR).parent)
    changes = {"OMP_NUM_THREADS": "1", "PYTHONPATH": package, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [str(word) for word in words],
        env=os.environ | changes,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
    )


def watch(words: Sequence[object], updates: int) -> Watched:
    """Run a program until it logged ``updates`` updates, and end it then.

    Raises:
        UserError: it ended before.
    """
    begin = time.perf_counter()
    process = start(words)
    peaks = [0]
    poll = threading.Thread(target=_poll, args=(process, peaks), daemon=True)
    poll.start()
    times, lines = [], []
    assert process.stdout is not None
    try:
        for text in process.stdout:
            lines.append(text)
            if "| train_inner |" in text:
                times.append(time.perf_counter() - begin)
            if len(times) == updates:
                return Watched(times[0], times[-1], max(own_bytes(process.pid), *peaks))
        raise failed(Path(str(words[0])).name, lines)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        poll.join()


def run_together(
    commands: Sequence[Sequence[object]], logs: Sequence[Path], cores: Sequence[int]
) -> None:
    """Run trainings at the same time until all have ended or one has failed, which ends the others.

    The output of each goes into a file of ``logs``: nobody empties a pipe while the others run.

    Raises:
        UserError: one failed.
    """
    processes: list[subprocess.Popen[str]] = []
    try:
        for words, log in zip(commands, logs, strict=True):
            with log.open("w") as output:
                processes.append(start(words, output))
        for process, core in zip(processes, cores, strict=False):
            os.sched_setaffinity(process.pid, {core})
        while None in (ends := [process.poll() for process in processes]) and not any(ends):
            time.sleep(POLL)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for end, log in zip(ends, logs, strict=True):
        if end:
            raise failed("fairseq-train", log.read_text(errors="replace").splitlines(keepends=True))


def failed(name: str, lines: Sequence[str]) -> UserError:
    """Return what tells that a program, which printed ``lines``, ended too early."""
    return UserError(f"`{name}` must train, but it ended with:\n{''.join(lines[-TAIL:])}")


def _poll(process: subprocess.Popen[str], peaks: list[int]) -> None:
    while process.poll() is None:
        peaks.append(own_bytes(process.pid))
        time.sleep(POLL)


def own_bytes(pid: int) -> int:
    """Return the bytes of memory that a process and its children share with no file.

    Shared pages count once; 0 for a process that is gone.
    """
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    fields = dict(line.split(":", 1) for line in rollup.splitlines()[1:])
    own = sum(int(fields[name].split()[0]) for name in ("Pss_Anon", "Pss_Shmem"))
    return 1024 * own + sum(own_bytes(int(child)) for child in children)
