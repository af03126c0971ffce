"""The epochs that a log has, and which of them it has whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from autoassist_fairseq.tools.common.training_log import Log
from autoassist_fairseq.tools.compare.updates import NAME, epochs_of, read_updates


@dataclass(frozen=True)
class Epoch:
    """One pass, to its end.

    Attributes:
        number: from 1.
        tokens: target tokens that were trained on.
        seconds: of training, without validation; None if not known, or if a process began anew in
            it.
        whole: whether it is that pass and no more; else the log has only the rest of it, or the
            passes before it are in these figures, too, for their ends are not in the log.
    """

    number: int
    tokens: int
    updates: int
    seconds: float | None
    whole: bool = True


def epochs_in(log: Log, folder: Path) -> list[Epoch]:
    """Return every epoch whose end is in the log of the run in ``folder``."""
    exact = _exact_seconds(folder)
    epochs, updates, seconds = [], log.first_update, 0.0
    epoch, whole = log.first_epoch, not log.first_update or _begins_with_an_epoch(log)
    for mark in log.train:
        passes = range(min(epoch, mark.epoch), mark.epoch + 1)  # several if an end is lost
        whole = whole and len(passes) == 1
        took = None if mark.seconds is None else mark.seconds - seconds
        count = mark.updates - updates
        tokens = round(mark.figures.get("wpb", 0.0) * count)
        time = took if log.resumed.isdisjoint(passes) else None
        if tokens:
            time = exact.get(mark.epoch, time) if whole else time
            epochs.append(Epoch(mark.epoch, tokens, count, time, whole))
        updates, seconds = mark.updates, mark.seconds or 0.0
        epoch, whole = mark.epoch + 1, True
    return epochs


def _begins_with_an_epoch(log: Log) -> bool:
    """Whether no update of the epoch in which the log begins was done before.

    Its first line within that epoch tells, by the share of the epoch that was done by then.
    """
    if not (log.inner and log.train and log.inner[0].epoch == log.train[0].epoch):
        return False
    line, known = log.inner[0], log.train[0].updates - log.first_update
    share = line.figures.get("update", math.inf) - line.epoch + 1
    # With `before` updates missing: share = (before + done) / (before + known). JSON rounds it.
    before_at_most = share * known - (line.updates - log.first_update)
    return share < 1 and before_at_most <= 0.01 * known * (1 - share)


def _exact_seconds(folder: Path) -> dict[int, float]:
    """Seconds of each epoch whose updates compare.py timed: a log has whole seconds."""
    return {epoch.number: epoch.seconds for epoch in epochs_of(read_updates(folder / NAME))}
