"""A program that has imported fairseq once and becomes fairseq-train for every job it is given.

Importing torch and fairseq takes longer than most test runs; a fork takes a millisecond. Jobs come
as lines of JSON on stdin (program, args, user_dir, log, events, limit, ranks, port, probe, cwd),
replies go to stdout as the exit status of each rank. The fork leaves the loop and *is* the program
from there on, so that exit status, tracebacks and what happens at exit are those of a program that
was started by hand; only its memory is left to the system, since taking it apart takes longer than
most test runs. What else a fork need not do again: `train_warm`.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import sys
import threading
from typing import Any

import fairseq_cli.hydra_train
import fairseq_cli.preprocess
import fairseq_cli.train
import numba
import sacrebleu  # noqa: F401  (imported here once, for all)
import tensorboardX  # noqa: F401
import torch._dynamo  # noqa: F401
import train_probe
import train_ranks
import train_recorder
from train_warm import PlugIn, warm_up

PROGRAMS = {
    "fairseq-train": fairseq_cli.train.cli_main,
    "fairseq-hydra-train": fairseq_cli.hydra_train.cli_main,
    "fairseq-preprocess": fairseq_cli.preprocess.cli_main,
}


@numba.njit  # type: ignore[untyped-decorator]
def _nothing() -> int:
    return 0


def next_job(plug_in: PlugIn | None) -> dict[str, Any] | None:
    """Serve until stdin ends; in the fork for a job, return that job."""
    with os.fdopen(os.dup(1), "w") as replies:
        for line in iter(sys.stdin.readline, ""):
            job, children = dict(json.loads(line)), []
            if plug_in is not None and job["user_dir"]:
                print(plug_in.do(line, job["user_dir"]), file=replies, flush=True)
                continue
            for rank in range(job["ranks"]):
                child = os.fork()
                if child == 0:
                    return train_ranks.as_rank(job, rank)
                children.append(child)
            kill = job["probe"].get("kill") or {}
            print(*train_ranks.await_all(children, kill), file=replies, flush=True)
    return None


def become(job: dict[str, Any]) -> None:
    """Run the program of ``job``; its output goes to the file that ``job`` names."""
    signal.alarm(job["limit"])  # the default action ends the process: no test hangs
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
    os.chdir(job["cwd"])
    sys.argv = [job["program"], *job["args"]]
    if job["events"]:
        train_recorder.record(job["events"], sys.argv, "rows" in job["probe"])
    if job["probe"]:
        train_probe.install(job)
    PROGRAMS[job["program"]]()


def end(job: dict[str, Any]) -> None:
    """Become ``job``, and exit as Python does but for taking memory apart."""
    status = 0
    try:
        become(job)
    except KeyboardInterrupt:
        raise  # Python ends such a process with the signal itself
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else int(left.code is not None)
        if not isinstance(left.code, int | None):
            print(left.code, file=sys.stderr)
    except BaseException:
        status = 1
        sys.excepthook(*sys.exc_info())
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


def serve(plug_in: PlugIn | None = None) -> None:
    """Do the jobs that come, those of the plug-in in ``plug_in``."""
    gc.freeze()  # else every fork would walk through, and copy, what was imported
    if (job := next_job(plug_in)) is not None:
        end(job)


if __name__ == "__main__":
    _nothing()  # numba imports its compiler with the first function
    warm_up()
    serve(PlugIn(serve))
