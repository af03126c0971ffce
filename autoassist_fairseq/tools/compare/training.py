"""Training one run to its budget: legs of fairseq-train, each from the last checkpoint."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autoassist_fairseq.errors import AutoAssistError, UserError
from autoassist_fairseq.tools.common.child import lines_of
from autoassist_fairseq.tools.common.files import read_json, write_json
from autoassist_fairseq.tools.common.training_log import read_log
from autoassist_fairseq.tools.common.words import value_of
from autoassist_fairseq.tools.compare.averaged import MEAN, keep, kept, points
from autoassist_fairseq.tools.compare.budget import RECENT, Budget, expected, leg
from autoassist_fairseq.tools.compare.flags import DECAY
from autoassist_fairseq.tools.compare.jobs import Job, Validation
from autoassist_fairseq.tools.compare.updates import NAME, Updates

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
    for number, end in enumerate(points(job.budget, job.average)):
        halts = job.average > 1 and job.budget.kind != "passes"
        if (halts and kept(job, number).exists()) or (job.folder / MEAN).exists():
            continue
        while target := legs.target or _next(job, end, updates, legs):
            _run_leg(job, target, legs, updates, show, stop)
            _check_end(job, target, updates)
            legs.end()
        if halts:
            keep(job, number)
    return updates, legs.count


def _check_end(job: Job, target: int, updates: Updates) -> None:
    by_passes = job.budget.kind == "passes"
    reached = updates.passes if by_passes else len(updates.done)
    if reached < target:
        raise UserError(
            f"`fairseq-train` must go on to {'pass' if by_passes else 'update'} {target}, but "
            f"ended at {reached}, before the budget was spent; see {job.folder / LOG}."
        )


def validations(folder: Path, updates: Updates) -> list[Validation]:
    """Return every validation in the log, with what had been spent by then."""
    with (folder / LOG).open(encoding="utf-8", errors="replace") as lines:
        marks = read_log(lines).valid
    tokens = [0.0, *itertools.accumulate(update.tokens for update in updates.done)]
    seconds = [0.0, *(update.seconds for update in updates.done)]
    return [
        Validation(mark.updates, tokens[mark.updates], seconds[mark.updates], loss)
        for mark in marks
        if math.isfinite(loss := mark.loss) and mark.updates < len(tokens)
    ]


def last_validation(folder: Path) -> float | None:
    """Return the NLL of the last validation in the log, bits per token."""
    with (folder / LOG).open(encoding="utf-8", errors="replace") as lines:
        valid = read_log(lines).valid
    loss = valid[-1].loss if valid else math.nan
    return loss if math.isfinite(loss) else None


@dataclass
class _Legs:
    """Where the leg that is under way ends; written down, so that it ends there after a kill."""

    path: Path
    target: int = 0
    expected: int = 0
    count: int = 0
    tokens: float = 0.0  # of the whole run, as far as they are known; 0: not at all

    def begin(self, target: int, whole: int, tokens: float = 0.0) -> None:
        self.target, self.expected, self.count = target, whole, self.count + 1
        self.tokens = tokens
        self._write()

    def end(self) -> None:
        if self.target:
            self.target = 0
            self._write()

    def _write(self) -> None:
        write_json(self.path, {k: v for k, v in vars(self).items() if k != "path"})


def _next(job: Job, end: Budget, updates: Updates, legs: _Legs) -> int:
    """Begin the next leg on the way to ``end``; returns where it ends, 0 if that is reached."""
    if end.kind == "passes":  # which fairseq counts by itself, in one leg
        if not legs.count:
            legs.begin(int(end.amount), 0)
        return legs.target
    spent = updates.cost(end.kind)
    more = leg(end, spent, job.bound)
    if not more:
        return 0
    target = len(spent) + more
    whole = max(target, expected(job.budget, spent, job.bound))
    legs.begin(target, whole, tokens_of(job.budget, updates))
    return target


def tokens_of(budget: Budget, updates: Updates) -> float:
    """Return the tokens of the whole run, as far as they are known; 0: not at all."""
    if budget.kind == "tokens":
        return budget.amount
    if not updates.done:
        return 0.0
    recent = updates.done[-RECENT - 1 :]
    apart = recent[-1].seconds - recent[0].seconds
    speed = sum(update.tokens for update in recent[1:]) / max(apart, 1e-9)
    return updates.tokens + speed * max(0.0, budget.amount - updates.seconds)


def _decay(job: Job, legs: _Legs) -> list[str]:
    """Return the flags that say where the learning rate is to be 0, for the scheduler that asks."""
    if value_of([*job.flags, *job.arm.flags], "--lr-scheduler") != DECAY:
        return []
    if job.budget.kind == "passes":
        return ["--autoassist-budget", str(job.budget)]
    return ["--autoassist-budget", f"tokens={legs.tokens or math.inf!r}"]


def _run_leg(
    job: Job, target: int, legs: _Legs, updates: Updates, show: Show, stop: threading.Event
) -> None:
    end = ["--max-update", str(target), "--autoassist-updates", str(legs.expected)]
    if job.budget.kind == "passes":
        end = ["--max-epoch", str(target)]
    command = [
        *(str(job.corpus.data), "--save-dir", str(job.folder), *job.flags, *job.resolved),
        *job.device,
        *_decay(job, legs),
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
