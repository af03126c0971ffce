"""Training one run to its budget: legs of fairseq-train, each from the last checkpoint."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autoassist_fairseq.errors import AutoAssistError, UserError
from autoassist_fairseq.tools.common.child import lines_of
from autoassist_fairseq.tools.common.training_log import read_log
from autoassist_fairseq.tools.compare.budget import expected, leg
from autoassist_fairseq.tools.compare.jobs import Job
from autoassist_fairseq.tools.compare.updates import NAME, Updates
from autoassist_fairseq.tools.dataprep.files import read_json, write_json

LOG = "train.log"
LEGS = "legs.json"

Show = Callable[[Updates], None]


class StoppedError(AutoAssistError):
    """The runner was told to stop."""


def train(job: Job, show: Show, stop: threading.Event) -> tuple[Updates, int]:
    """Train until the budget is spent; returns the updates, and how many legs it took.

    Raises:
        UserError: training failed, or ended before the budget.
        StoppedError: ``stop`` was set.
    """
    updates = Updates(job.folder / NAME)
    legs = _Legs(job.folder / LEGS, **(read_json(job.folder / LEGS) or {}))
    while target := legs.target or _next(job, updates, legs):
        _run_leg(job, target, legs, updates, show, stop)
        by_passes = job.budget.kind == "passes"
        reached = updates.passes if by_passes else len(updates.done)
        if reached < target:
            raise UserError(
                f"`fairseq-train` must go on to {'pass' if by_passes else 'update'} {target}, but "
                f"ended at {reached}, before the budget was spent; see {job.folder / LOG}."
            )
        legs.end()
    return updates, legs.count


def last_validation(folder: Path) -> float | None:
    """Return the NLL of the last validation in the log, bits per token."""
    with (folder / LOG).open(encoding="utf-8", errors="replace") as lines:
        valid = read_log(lines).valid
    loss = valid[-1].figures.get("nll_loss", math.nan) if valid else math.nan
    return loss if math.isfinite(loss) else None


@dataclass
class _Legs:
    """Where the leg that is under way ends; written down, so that it ends there after a kill."""

    path: Path
    target: int = 0
    expected: int = 0
    count: int = 0

    def begin(self, target: int, whole: int) -> None:
        self.target, self.expected, self.count = target, whole, self.count + 1
        self._write()

    def end(self) -> None:
        if self.target:
            self.target = 0
            self._write()

    def _write(self) -> None:
        write_json(self.path, {k: v for k, v in vars(self).items() if k != "path"})


def _next(job: Job, updates: Updates, legs: _Legs) -> int:
    if job.budget.kind == "passes":  # which fairseq counts by itself, in one leg
        if not legs.count:
            legs.begin(int(job.budget.amount), 0)
        return legs.target
    spent = updates.cost(job.budget.kind)
    more = leg(job.budget, spent, job.bound)
    if not more:
        return 0
    target = len(spent) + more
    legs.begin(target, max(target, expected(job.budget, spent, job.bound)))
    return target


def _run_leg(
    job: Job, target: int, legs: _Legs, updates: Updates, show: Show, stop: threading.Event
) -> None:
    end = ["--max-update", str(target), "--autoassist-updates", str(legs.expected)]
    if job.budget.kind == "passes":
        end = ["--max-epoch", str(target)]
    command = [
        *(str(job.corpus.data), "--save-dir", str(job.folder), *job.flags, *job.resolved),
        *job.device,
        *end,
    ]
    log = job.folder / LOG
    for line in lines_of("fairseq-train", command, log, threads=job.threads):
        if stop.is_set():
            raise StoppedError
        if line is not None:
            updates.feed(line, time.monotonic())
            if updates.saved == target and job.budget.kind != "passes":
                legs.end()  # what comes after the checkpoint is not missed
        show(updates)
