"""A program that has imported fairseq once and becomes another one for every job it is given.

Jobs are lines of JSON on stdin; the exit status of each of a job's ranks goes to stdout. The fork
for a job leaves the loop and *is* the program from there on, so that its status, its traceback and
its end are those of a program started by hand. It also runs one job by itself, named by its file.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numba
import sacrebleu  # noqa: F401  (imported here once, for all jobs, as are the next two)
import tensorboardX  # noqa: F401
import torch._dynamo
from fairseq_cli import train

import autoassist_fairseq.plugin  # noqa: F401  (registers the task)
from autoassist_fairseq.probes.gpu import lines, recording, watching
from autoassist_fairseq.probes.gpu.events import Events

# Where CUDA was looked at before the fork, the fork cannot use it.
MODULE = "autoassist_fairseq.probes.gpu.server"


@numba.njit  # type: ignore[untyped-decorator]
def _nothing() -> int:
    return 0


def serve() -> dict[str, Any] | None:
    """Serve until stdin ends; in the fork for a job, return that job."""
    with os.fdopen(os.dup(1), "w") as replies:
        for line in iter(sys.stdin.readline, ""):
            job, children = dict(json.loads(line)), []
            for rank in range(job["ranks"]):
                child = os.fork()
                if child == 0:
                    return as_rank(job, rank)
                children.append(child)
            ended = [os.waitpid(child, 0)[1] for child in children]
            print(*map(os.waitstatus_to_exitcode, ended), file=replies, flush=True)
    return None


def as_rank(job: dict[str, Any], rank: int) -> dict[str, Any]:
    """Be one rank of ``job``; return the job of that rank alone."""
    os.environ.update(job["environment"])
    if job["ranks"] > 1:
        os.environ.update(WORLD_SIZE=str(job["ranks"]), RANK=str(rank), LOCAL_RANK=str(rank))
    # A profiler of CUDA's calls had better not be forked.
    profiled = job["probe"].get("count") and os.environ.get("CUDA_VISIBLE_DEVICES") != ""
    if not torch.cuda._is_in_bad_fork() and not profiled:
        return {**job, "rank": rank}
    os.execv(sys.executable, [sys.executable, "-m", MODULE, job["file"], str(rank)])


def become(job: dict[str, Any]) -> None:
    """Run the program of ``job``; its output and its events go to files of its rank."""
    signal.alarm(job["limit"])  # the default action ends the process: nothing hangs
    folder, rank = Path(job["file"]).parent, job["rank"]
    log = os.open(folder / f"log.{rank}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    events = Events(folder / f"events.{rank}")
    if job["program"] == "lines":
        lines.check(events, **job["probe"])
        return
    watch(events, job["probe"], rank)
    sys.argv = ["fairseq-train", *job["args"]]
    train.cli_main()


def watch(events: Events, probe: dict[str, Any], rank: int) -> None:
    """Plant what ``probe`` asks for: ``record``, ``time`` and ``count``, with their options."""
    if record := probe.get("record"):
        kill = record.get("kill_after", 0) if record.get("kill_rank", 0) == rank else 0
        recording.record(events, record["feed"], kill, record.get("batches", True))
    if times := probe.get("time"):
        watching.time_updates(events, **times)
    if count := probe.get("count"):
        watching.count_waits(events, **count)


def main(words: list[str]) -> None:
    """Serve, or run the one job that is named."""
    if words:
        job = json.loads(Path(words[0]).read_text(encoding="utf-8"))
        rank = int(words[1] if len(words) > 1 else os.environ.get("RANK", "0"))
        become({**job, "rank": rank})
        return
    _nothing()  # Numba imports its compiler with the first function
    gc.freeze()  # else every fork would walk through, and copy, what was imported
    if (served := serve()) is not None:
        become(served)


if __name__ == "__main__":
    main(sys.argv[1:])
