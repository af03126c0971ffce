"""One run, from its folder: epochs with tokens and seconds, curves, and what could not be had."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

import numpy as np

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.training_log import Log, Mark, read_log
from autoassist_fairseq.tools.report.epochs import Epoch, epochs_in

LOG = "train.log"
# Logs that other programs leave in the folder
_OTHERS = ("translate", "generate", "preprocess")


@dataclass(frozen=True)
class Point:
    """One validation: after so many tokens and seconds; NLL in bits per token; BLEU if measured."""

    tokens: float
    seconds: float | None
    loss: float | None
    bleu: float | None


@dataclass(frozen=True)
class Belief:
    """What the Assistant said of itself (Figure 6): all in [0, 1]; accuracies None if unknown."""

    updates: int
    accuracy: float | None
    majority: float | None
    safeguard: float


@dataclass
class Run:
    """One run.

    Attributes:
        name: for people; unique in a report.
        warmup: passes at the start that keep every pair.
        languages: source and target, if the log tells.
        bleu: final score with its signature, if it was found.
        missing: sentences on what is not there.
    """

    name: str
    folder: Path
    policy: str | None = None
    warmup: int = 1
    languages: tuple[str, str] | None = None
    epochs: list[Epoch] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    beliefs: list[Belief] = field(default_factory=list)
    bleu: float | None = None
    signature: str = ""
    missing: list[str] = field(default_factory=list)

    @property
    def whole(self) -> list[Epoch]:
        """The epochs that the log has whole."""
        return [epoch for epoch in self.epochs if epoch.whole]

    @property
    def counted(self) -> list[Epoch]:
        """The epochs that Table 2 is a mean of: those after the warm-up, if there are any."""
        return [e for e in self.whole if e.number > self.warmup] or self.whole

    @property
    def tokens_per_epoch(self) -> float | None:
        """Mean over `counted`."""
        return fmean(e.tokens for e in self.counted) if self.counted else None

    @property
    def seconds_per_epoch(self) -> float | None:
        """Median over `counted`: other work on the machine disturbs single epochs."""
        timed = [e.seconds for e in self.counted if e.seconds is not None]
        return median(timed) if timed else None

    @property
    def tokens(self) -> int:
        """Tokens of all epochs, and of the parts of some that the log has."""
        return sum(epoch.tokens for epoch in self.epochs)


def read_run(path: Path, name: str) -> Run:
    """Read a run's folder, or a log file; what is missing is noted in the run.

    Raises:
        UserError: there is no such folder or file.
    """
    if not path.exists():
        raise UserError(f"`RUN_DIR` must be a folder of a run, but {path} is not there.")
    run = Run(name, path if path.is_dir() else path.parent)
    log = _read(path, run)
    run.policy, run.warmup, asked = log.policy, log.start.warmup, log.start.warmup_updates
    if len(log.start.languages) == 2:
        run.languages = log.start.languages[0], log.start.languages[1]
    if asked:
        run.warmup = 1 + max((m.epoch for m in log.train if m.updates < asked), default=0)
    run.epochs = epochs_in(log, run.folder)
    run.points = _points(log, run.epochs)
    run.beliefs = [belief for mark in log.inner or log.train if (belief := _belief(mark))]
    _note(log, run)
    return run


def _read(path: Path, run: Run) -> Log:
    best, problem = Log(), f"no log was found ({LOG}, or another *.log with statistics)"
    for file in _logs(path):
        try:
            with file.open(encoding="utf-8", errors="replace") as lines:
                log = read_log(lines)
        except OSError as error:
            problem = f"{file.name} cannot be read: {error.strerror}"
            continue
        if log.last_update > best.last_update or log.damaged and not best.last_update:
            best = log
            if file.name == LOG:
                break
    if not best.last_update:
        run.missing.append(problem)
    return best


def _logs(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = [file for file in sorted(path.glob("*.log")) if not file.name.startswith(_OTHERS)]
    return sorted(found, key=lambda file: file.name != LOG)


def _note(log: Log, run: Run) -> None:
    if log.damaged:
        lines = "1 line" if log.damaged == 1 else f"{log.damaged} lines"
        run.missing.append(f"{lines} of the log could not be read and do not count")
    _note_parts(log, run)
    if log.last_update and not log.done:
        done = f"{len(run.whole)} complete epoch{'s' * (len(run.whole) != 1)}"
        run.missing.append(
            f"training is not finished: the log ends at update {log.last_update:,}, after {done}"
        )
    if run.epochs and run.seconds_per_epoch is None:
        clock = any(mark.seconds is not None for mark in log.train)
        why = "the whole time of no epoch that counts" if clock else "no times"
        run.missing.append(f"the log has {why}{' (as `--log-file` writes it)' * (not clock)}")


def _note_parts(log: Log, run: Run) -> None:
    ends = {mark.epoch for mark in log.train}
    if log.first_update:
        begun = run.epochs and not run.epochs[0].whole
        rest = f", and epoch {run.epochs[0].number} is not whole" if begun else ""
        run.missing.append(
            f"the log begins at update {log.first_update:,}: tokens and times before are not known"
            f"{rest}"
        )
    lost = [str(n) for n in range(log.first_epoch, max(ends, default=0)) if n not in ends]
    if lost:
        run.missing.append(
            f"the log lacks the end of epoch {', '.join(lost)}: means are without it and the epoch "
            "after it"
        )


def _points(log: Log, epochs: list[Epoch]) -> list[Point]:
    """Place every validation on the axes of tokens and seconds."""
    at = np.cumsum([log.first_update, *(epoch.updates for epoch in epochs)])
    tokens = np.cumsum([0, *(epoch.tokens for epoch in epochs)])
    exact = [epoch.seconds for epoch in epochs]
    seconds = np.cumsum([0.0, *(time or 0.0 for time in exact)])
    tail = log.inner[-1].figures.get("wpb", 0.0) if log.inner else 0.0
    points = []
    for mark in log.valid:
        # Within an epoch every update counts alike; after the last complete one, as it logs.
        beyond = max(0, mark.updates - int(at[-1])) * tail
        points.append(
            Point(
                tokens=float(np.interp(mark.updates, at, tokens)) + beyond,
                # So that the curves agree with the table; the log's own clock where that is all.
                seconds=mark.seconds
                if None in exact or mark.updates > at[-1]
                else float(np.interp(mark.updates, at, seconds)),
                loss=_finite(mark.loss),
                bleu=_finite(mark.figures.get("bleu")),
            )
        )
    return points


def _belief(mark: Mark) -> Belief | None:
    safeguard = _finite(mark.figures.get("aa_safeguard"))
    if safeguard is None:
        return None
    accuracy, majority = (_finite(mark.figures.get(f"aa_{n}")) for n in ("accuracy", "majority"))
    # Some label is always the more frequent one: 0 says that nothing had been learned yet.
    learned = bool(majority or (majority is None and accuracy))
    return Belief(
        mark.updates, accuracy if learned else None, majority if learned else None, safeguard
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
