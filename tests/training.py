"""Runs fairseq's programs for the tests of the plug-in, and reads what they logged."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import autoassist_fairseq

USER_DIR = str(Path(autoassist_fairseq.__file__).parent)
TASK = ("--user-dir", USER_DIR, "--task", "autoassist_translation")
# The rule that has the most to go wrong.
SHRINK = ("--autoassist-policy", "shrink", "--autoassist-hopeless", "off")
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONUNBUFFERED": "1",
}
LIMIT = 120  # seconds that a run may take

# The smallest Transformer that still has every part.
MODEL = [
    *("--arch", "transformer_tiny", "--encoder-layers", "1", "--decoder-layers", "1"),
    *("--encoder-embed-dim", "16", "--decoder-embed-dim", "16"),
    *("--encoder-ffn-embed-dim", "16", "--decoder-ffn-embed-dim", "16"),
    *("--encoder-attention-heads", "2", "--decoder-attention-heads", "2"),
    *("--max-source-positions", "40", "--max-target-positions", "40"),
    *("--optimizer", "adam", "--lr", "0.005", "--dropout", "0.1"),
]
SMOOTHED = ["--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1"]
LOGGED = ["--log-format", "json", "--log-interval", "1", "--seed", "3", "--num-workers", "0"]


@dataclass(frozen=True)
class Run:
    """What a run left behind.

    Attributes:
        status: exit status; negative = ended by that signal.
        output: stdout and stderr together.
        events: what `train_recorder` wrote.
        save_dir: its checkpoints.
    """

    status: int
    output: str
    events: list[dict[str, Any]]
    save_dir: Path

    def logged(self, tag: str) -> list[dict[str, Any]]:
        """Return the metrics that were logged under ``tag`` (train, train_inner, valid)."""
        lines = [line.split(f"| {tag} | ", 1) for line in self.output.splitlines()]
        return [metrics_in(parts[1]) for parts in lines if len(parts) == 2]

    def of(self, event: str, epoch: int | None = None) -> list[dict[str, Any]]:
        """Return the events of one kind, of one epoch or of all."""
        found, now = [], None
        for entry in self.events:
            now = entry["epoch"] if entry["event"] == "epoch" else now
            if entry["event"] == event and epoch in (None, entry.get("epoch", now)):
                found.append(entry)
        return found

    def trained(self, epoch: int) -> list[int]:
        """Return the pairs trained on in ``epoch``, in order."""
        return [*itertools.chain.from_iterable(batch["ids"] for batch in self.of("batch", epoch))]

    def considered(self, epoch: int) -> list[int]:
        """Return the pairs considered in ``epoch``, in order."""
        return [*itertools.chain.from_iterable(w["pairs"] for w in self.of("window", epoch))]

    @property
    def losses(self) -> list[str]:
        """Losses of all batches, to the last bit."""
        return [batch["loss"] for batch in self.of("batch")]

    def checkpoints(self) -> list[str]:
        """Return the names of the checkpoints, sorted."""
        return sorted(path.name for path in self.save_dir.glob("*.pt"))


def metrics_in(line: str) -> dict[str, Any]:
    """Return the metrics of a log line in fairseq's json format, or else in its simple one."""
    if line.startswith("{"):
        return dict(json.loads(line))
    return {f"train_{name}": value for name, value in map(str.split, line.split(" | "))}


@dataclass
class Server:
    """Client of `train_server`."""

    folder: Path
    _count: int = 0
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def run(
        self, program: str, *args: object, save_dir: Path | None = None, cwd: Path | None = None
    ) -> Run:
        """Run ``program`` and wait for it; with ``save_dir``, record what it trains on."""
        return self.run_ranks(program, *args, save_dir=save_dir, cwd=cwd)[0]

    def run_ranks(
        self,
        program: str,
        *args: object,
        save_dir: Path | None = None,
        ranks: int = 1,
        probe: dict[str, Any] | None = None,
        cwd: Path | None = None,
    ) -> list[Run]:
        """Run ``program`` in ``ranks`` processes, with what `train_probe.install` does."""
        if self._process is None:
            self._process = start_server()
        self._count += 1
        log, events = (self.folder / f"{self._count}.{kind}" for kind in ("log", "events"))
        job = {
            "program": program,
            "args": [str(arg) for arg in args],
            "user_dir": USER_DIR if USER_DIR in args else "",
            "log": str(log),
            "events": str(events) if save_dir else "",
            "limit": LIMIT,
            "ranks": ranks,
            "port": free_port() if ranks > 1 else 0,
            "probe": probe or {},
            "cwd": str(cwd or "."),
        }
        assert self._process.stdin and self._process.stdout
        print(json.dumps(job), file=self._process.stdin, flush=True)
        statuses = map(int, self._process.stdout.readline().split())
        ends = [f".{rank}" for rank in range(ranks)] if ranks > 1 else [""]
        return [
            Run(status, *read_files(f"{log}{end}", f"{events}{end}"), save_dir or self.folder)
            for status, end in zip(statuses, ends, strict=True)
        ]

    def train(self, data: object, save_dir: Path, *args: object) -> Run:
        """Run fairseq-train on ``data`` with `train_flags`."""
        flags = train_flags(save_dir, *args)
        return self.run("fairseq-train", data, *flags, save_dir=save_dir)

    def close(self) -> None:
        """End the server."""
        if self._process is not None:
            assert self._process.stdin and self._process.stdout
            self._process.stdin.close()
            self._process.wait(10)
            self._process.stdout.close()


def train_flags(save_dir: Path, *args: object) -> tuple[object, ...]:
    """Return the flags of a run: a tiny model, and `SHRINK`, unless ``args`` say otherwise.

    With `TASK` among them, the options of the plug-in have their defaults.
    """
    task = () if "--task" in args else (*TASK, *SHRINK)
    shape = MODEL if "--arch" not in args else ()
    loss = SMOOTHED if "--criterion" not in args else ()
    return (*shape, *loss, *LOGGED, *task, "--save-dir", save_dir, *args)


def read_files(log: str, events: str) -> tuple[str, list[dict[str, Any]]]:
    """Return what a process printed, and its events."""
    lines = Path(events).read_text().splitlines() if Path(events).exists() else []
    return Path(log).read_text(errors="replace"), [json.loads(line) for line in lines]


def free_port() -> int:
    """Return a port that nobody listens to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_server() -> subprocess.Popen[str]:
    """Start `train_server` with the interpreter of the tests."""
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("train_server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def command(
    name: str, *args: object, limit: int = LIMIT, folder: Path | None = None
) -> tuple[int, str]:
    """Run one of fairseq's own commands, as a user does; return exit status and all output."""
    program = [Path(sys.executable).with_name(name), *args]
    done = subprocess.run(
        [str(part) for part in program],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=limit,
        check=False,
        cwd=folder,
    )
    return done.returncode, done.stdout
