"""What fairseq's JSON log says of each epoch: target tokens, seconds, losses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

_STATS = re.compile(r"\| (train_inner|train|valid) \| (\{.*\})\s*$")
_START = "Start iterating over samples"
_VALIDATION = "begin validation on"
_LOADED = re.compile(r"Loaded checkpoint .* @ (\d+) updates\)")


@dataclass(frozen=True)
class Epoch:
    """One pass over the data.

    Attributes:
        epoch: its number, from 1.
        tokens: target tokens that were trained on (fairseq's ``wpb`` times its updates).
        updates: updates of the model.
        seconds: wall time from the end of the epoch before (so planning and data loading count)
            to the start of validation.
        resumed: whether a resumed process began with it: its time then leaves out what came
            before its first batch.
        valid_loss: NLL per target token on the validation set, in bits as fairseq logs it.
        keep_tokens: share of the target tokens that the Assistant kept, if there is one.
    """

    epoch: int
    tokens: int
    updates: int
    seconds: float
    resumed: bool
    valid_loss: float
    keep_tokens: float | None


@dataclass(frozen=True)
class Position:
    """Where training is: ``epochs`` done, with a fraction; ``loss`` is the training loss."""

    epochs: float
    loss: float
    tokens_per_second: float


def parse(line: str) -> tuple[str, dict[str, float]] | None:
    """The tag (train_inner, train or valid) and figures of a JSON log line, if it is one."""
    found = _STATS.search(line)
    if not found:
        return None
    try:
        figures = json.loads(found[2])
    except ValueError:
        return None
    return found[1], {name: float(value) for name, value in figures.items()}


class EpochLog:
    """Makes epochs of the lines of one process, as they come."""

    def __init__(self, updates_before: int = 0) -> None:
        """``updates_before``: of the epochs that earlier processes completed.

        What fairseq says of the checkpoint that it loads counts more: an epoch may have been saved
        and its line never read.
        """
        self.position: Position | None = None
        self._updates = updates_before
        self._began: float | None = None
        self._ended = 0.0
        self._resumed = updates_before > 0
        self._valid_loss = float("nan")

    def feed(self, line: str, now: float) -> Epoch | None:
        """Take a line that came at ``now`` (seconds); returns an epoch when it is complete."""
        if found := _LOADED.search(line):
            self._updates = int(found[1])
        elif _START in line and self._began is None:
            self._began = now
        elif _VALIDATION in line:
            self._ended = now
        tag, figures = parse(line) or ("", {})
        if tag == "valid":
            self._valid_loss = figures["valid_nll_loss"]
        elif tag == "train_inner":
            self.position = Position(figures["update"], figures["loss"], figures.get("wps", 0.0))
        elif tag == "train":
            return self._complete(figures, now)
        return None

    def _complete(self, figures: Mapping[str, float], now: float) -> Epoch:
        total = int(figures["train_num_updates"])
        updates, self._updates = total - self._updates, total
        began = self._ended if self._began is None else self._began
        resumed, self._resumed = self._resumed, False
        self._began = now
        return Epoch(
            epoch=int(figures["epoch"]),
            tokens=round(figures["train_wpb"] * updates),
            updates=updates,
            seconds=round(self._ended - began, 3),
            resumed=resumed,
            valid_loss=self._valid_loss,
            keep_tokens=figures.get("train_aa_keep_tokens"),
        )
