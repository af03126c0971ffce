"""Runs the watched programs: one that has imported fairseq already, forked for every job."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import autoassist_fairseq
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.check_gpu.checks import Overdue
from autoassist_fairseq.tools.check_gpu.seen import Seen, look, read
from autoassist_fairseq.tools.common.child import environment

SERVER = ("-m", "autoassist_fairseq.probes.gpu.server")
KILLED = -signal.SIGKILL
LAUNCHER = ("-m", "torch.distributed.run", "--nproc-per-node")
_LOG = "server.log"
_WARMING = 120.0  # seconds that importing fairseq may take
_GRACE = 10.0  # seconds between asking a program to end and ending it


class Runner:
    """Runs jobs one after the other.

    Args:
        device: ``cuda`` or ``cpu``.
        folder: for what jobs leave behind.
        gpus: how many there are.
        memory: bytes of the first one's memory.
        threads: of each rank on the CPU.

    Attributes:
        due: by when (monotonic seconds) what runs must have ended.
    """

    def __init__(
        self, device: str, folder: Path, gpus: int = 0, memory: int = 0, threads: int = 1
    ) -> None:
        self.device, self.folder, self.due = device, folder, float("inf")
        self.gpus, self.memory, self._threads = gpus, memory, threads
        self._server: subprocess.Popen[bytes] | None = None
        self._child: subprocess.Popen[bytes] | None = None  # the last one that was started
        self._closed = False

    @property
    def cuda(self) -> bool:
        """Whether there is a GPU to be checked."""
        return self.device == "cuda"

    def warm(self) -> None:
        """Start the program that imports fairseq: its seconds are no row's."""
        self.due = time.monotonic() + _WARMING
        with suppress(UserError, Overdue):  # the first row will tell
            self._serve({"ranks": 0})

    def fresh(self, name: str) -> Path:
        """Return the folder ``name``, emptied: training would go on from a checkpoint in it."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def train(
        self,
        name: str,
        args: Sequence[object],
        probe: Mapping[str, Any],
        ranks: int = 1,
        **how: Any,
    ) -> list[Seen]:
        """Run ``fairseq-train``, watched as ``probe`` says; see `job`."""
        return self.job("train", name, args, probe, ranks, **how)

    def job(
        self,
        program: str,
        name: str,
        args: Sequence[object],
        probe: Mapping[str, Any],
        ranks: int = 1,
        *,
        cpu: bool = False,
        nodes: int = 0,
    ) -> list[Seen]:
        """Run a program to its end.

        Args:
            program: of `autoassist_fairseq.probes.gpu`.
            name: of the folder that it writes to, which is emptied.
            args: of the program.
            probe: how it is watched.
            ranks: processes that train together.
            cpu: whether the GPU is hidden from it.
            nodes: how many torchruns start its ranks, each as if on a node of its own; 0 = forked.

        Raises:
            Overdue: it did not end in time.
        """
        self._check_open()
        folder = self.fresh(name)
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if cpu or not self.cuda else {}
        file = folder / "job.json"
        job = {
            "program": program,
            "file": str(file),
            "args": [str(word) for word in args],
            "probe": dict(probe),
            "ranks": ranks,
            "environment": {
                **hidden,
                **(_meeting() if ranks > 1 else {}),
                "OMP_NUM_THREADS": str(self._threads),
            },
            "limit": int(min(self.due - time.monotonic() + 5, 3600)),
        }
        file.write_text(json.dumps(job), encoding="utf-8")
        statuses = self._launch(job, nodes) if nodes else self._serve(job)
        return [look(folder, rank, status) for rank, status in enumerate(statuses)]

    def _serve(self, job: Mapping[str, Any]) -> list[int]:
        if self._server is None:
            self._server = self._start([*SERVER], subprocess.PIPE)
        assert self._server.stdin and self._server.stdout
        with suppress(BrokenPipeError):  # it has ended; so it replies nothing
            self._server.stdin.write((json.dumps(job) + "\n").encode())
            self._server.stdin.flush()
        left = max(0.0, min(self.due - time.monotonic(), 1e6))
        if not select.select([self._server.stdout], [], [], left)[0]:
            self._end_server()
            raise Overdue("a job did not end in time")
        reply = self._server.stdout.readline()
        if not reply:
            self._end_server()
            last = read(self.folder / _LOG).strip().rpartition("\n")[2]
            raise UserError(f"the program that runs fairseq ended by itself: {last}")
        return [int(word) for word in reply.split()]

    def _launch(self, job: Mapping[str, Any], nodes: int) -> list[int]:
        """Run a job by torchrun, which has one status for all ranks of a node."""
        here, port = job["ranks"] // nodes, job["environment"]["MASTER_PORT"]
        meeting = ["--nnodes", str(nodes), "--master-addr", "127.0.0.1", "--master-port", port]
        children = []
        try:
            for node in range(nodes):
                words = [*LAUNCHER, str(here), *meeting, "--node-rank", str(node)]
                words += [*SERVER, job["file"]]
                children.append(self._start(words, subprocess.DEVNULL, **job["environment"]))
            for child in children:
                self._await(child)
        finally:
            for child in children:
                end(child)
        return [child.returncode for child in children for _ in range(here)]

    def python(self, *words: object) -> str:
        """Run Python with ``words`` to its end; return what it printed.

        Raises:
            UserError: it failed.
            Overdue: it did not end in time.
        """
        self._check_open()
        hidden = {} if self.cuda else {"CUDA_VISIBLE_DEVICES": ""}
        log = self.folder / _LOG
        begin = len(read(log))
        child = self._start([str(word) for word in words], subprocess.DEVNULL, **hidden)
        self._await(child)
        output = read(log)[begin:]
        if child.returncode:
            raise UserError(f"ended with status {child.returncode}: {output.strip()[-300:]}")
        return output

    def _await(self, child: subprocess.Popen[bytes]) -> None:
        try:
            child.wait(max(0.0, min(self.due - time.monotonic(), 1e6)))
        except subprocess.TimeoutExpired as error:
            raise Overdue("a job did not end in time") from error
        finally:
            end(child)

    def _start(self, words: list[str], stdin: int, **more: str) -> subprocess.Popen[bytes]:
        package = str(Path(autoassist_fairseq.__file__).parents[1])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        self.folder.mkdir(parents=True, exist_ok=True)
        # NVML, and not a context that a fork could not use, tells how many GPUs there are.
        more = {"PYTHONPATH": os.pathsep.join(paths), "PYTORCH_NVML_BASED_CUDA_CHECK": "1", **more}
        with (self.folder / _LOG).open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, *words],
                stdin=stdin,
                stdout=subprocess.PIPE if stdin == subprocess.PIPE else log,
                stderr=log,
                env=environment(**more),
                start_new_session=True,
            )
        return self._child

    def _check_open(self) -> None:
        if self._closed:
            raise Overdue("everything is to end")

    def _end_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            end(server)

    def close(self) -> None:
        """End what runs, from any thread; nothing begins any more."""
        self._closed = True
        if self._child is not None:
            end(self._child)
        self._end_server()


def _meeting() -> dict[str, str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(listener.getsockname()[1])}


def end(child: subprocess.Popen[bytes]) -> None:
    """End a program, which is asked first, and all that it started."""
    if child.poll() is None:
        child.terminate()  # torchrun ends its ranks, which are not of its session
        with suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()
    child.wait()
