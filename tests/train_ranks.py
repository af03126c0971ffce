"""Forked ranks for `train_server`: their environment, their files, and how they end."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

POLL = 0.005  # seconds


def as_rank(job: dict[str, Any], rank: int) -> dict[str, Any]:
    """Return the job of one of the ranks of ``job``; of several, each has its own files."""
    if job["ranks"] == 1:
        return {**job, "rank": 0}
    os.environ.update(
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(job["port"]),
        WORLD_SIZE=str(job["ranks"]),
        RANK=str(rank),
        LOCAL_RANK=str(rank),
    )
    files = {name: job[name] and f"{job[name]}.{rank}" for name in ("log", "events")}
    return {**job, **files, "rank": rank}


def await_all(children: list[int], kill: dict[str, Any]) -> list[int]:
    """Return the exit statuses of ``children``; one that a signal ends takes the others with it.

    With ``kill`` = {rank, seconds}, that rank is killed after that time.
    """
    ended: dict[int, int] = {}
    due = time.monotonic() + kill.get("seconds", float("inf"))
    while len(ended) < len(children):
        child, status = os.waitpid(-1, os.WNOHANG)
        if child:
            ended[child] = os.waitstatus_to_exitcode(status)
            if ended[child] < 0:
                _kill(set(children) - set(ended))
        elif time.monotonic() > due:
            due = float("inf")
            _kill({children[kill["rank"]]} - set(ended))
        else:
            time.sleep(POLL)
    return [ended[child] for child in children]


def _kill(children: set[int]) -> None:
    for child in children:
        os.kill(child, signal.SIGKILL)
