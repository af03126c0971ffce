"""Every update of a run: its tokens and its time, as fairseq's lines come; kept over restarts."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from itertools import groupby
from pathlib import Path

from autoassist_fairseq.log_lines import Figures, read_line
from autoassist_fairseq.tools.common.clock import Clock
from autoassist_fairseq.tools.common.files import staged

NAME = "updates.csv"
HEADER = ("update", "epoch", "position", "tokens", "seconds")


@dataclass(frozen=True)
class Update:
    """One update.

    Attributes:
        number: from 1.
        epoch: in which it is.
        position: epochs done after it and what overflowed behind it, with a fraction.
        tokens: target tokens that it trained on.
        seconds: of training since the run began, without validation and writing checkpoints.
    """

    number: int
    epoch: int
    position: float
    tokens: float
    seconds: float


class Updates:
    """The updates of a run: those that earlier processes left, then those of this one.

    The clock runs from the first batch on; it stands still in validation, while a checkpoint is
    written, and between two processes. Planning the next epoch counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = read_updates(path)
        self.saved: int | None = None
        self.loss = float("nan")
        self._clock, self._stopping = Clock(self.seconds), False
        self.tokens = sum(update.tokens for update in self.done)

    @property
    def seconds(self) -> float:
        """Of all updates."""
        return self.done[-1].seconds if self.done else 0.0

    @property
    def passes(self) -> float:
        """Passes over the corpus that are done, with a fraction."""
        return self.done[-1].position if self.done else 0.0

    def feed(self, line: str, now: float) -> None:
        """Take a line that came at ``now`` (seconds)."""
        told = read_line(line)
        self._clock.feed(told, now)
        if told.kind == "inner":
            self._add(told.figures)
        elif told.event == "saved":
            self.saved = int(told.words["updates"])
        elif told.event == "stopping":
            self._stopping = True
        elif told.event == "ended" and not self._stopping:
            self._complete(int(told.words["epoch"]))
        elif told.event in ("loaded", "fresh"):
            self._stopping = False
            self._go_back(int(told.words.get("updates", 0)))
            self._complete(int(told.words.get("epoch", 1)) - 1)

    def cost(self, kind: str) -> list[float]:
        """Return the ``tokens`` or ``seconds`` of every update."""
        if kind == "tokens":
            return [update.tokens for update in self.done]
        ends = [0.0, *(update.seconds for update in self.done)]
        return [end - begin for begin, end in zip(ends, ends[1:], strict=False)]

    def _add(self, figures: Figures) -> None:
        update = Update(
            int(figures["num_updates"]),
            int(figures["epoch"]),
            figures["update"],
            figures["wpb"],
            round(self._clock.seconds, 3),
        )
        self.loss = figures.get("loss", float("nan"))
        fresh = not self.path.exists()
        with self.path.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            if fresh:
                writer.writerow(HEADER)
            writer.writerow(astuple(update))
        self.done.append(update)
        self.tokens += update.tokens

    def _go_back(self, update: int) -> None:
        """Forget what was trained after a checkpoint: it is trained again."""
        self.done = [one for one in self.done if one.number <= update]
        self._write()
        self.tokens = sum(one.tokens for one in self.done)
        self._clock.set_back(self.seconds)

    def _complete(self, epoch: int) -> None:
        """Count ``epoch`` as done: what overflows at its end makes no update."""
        if 0 < self.passes < epoch:
            self.done[-1] = replace(self.done[-1], position=float(epoch))
            self._write()

    def _write(self) -> None:
        with staged(self.path) as part, part.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([HEADER, *map(astuple, self.done)])


def read_updates(path: Path) -> list[Update]:
    """Return the updates that are written in ``path``; a line that was cut off ends them."""
    if not path.exists():
        return []
    found: list[Update] = []
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.reader(line for line in stream if line.endswith("\n")):
            if row == list(HEADER):
                continue
            try:
                number, epoch, position, tokens, seconds = map(float, row)
            except ValueError:
                break
            found.append(Update(int(number), int(epoch), position, tokens, seconds))
    return found


@dataclass(frozen=True)
class Epoch:
    """A complete epoch: its number, target tokens, seconds."""

    number: int
    tokens: float
    seconds: float


def epochs_of(updates: Sequence[Update]) -> list[Epoch]:
    """Return the complete epochs of ``updates``."""
    epochs, seconds = [], 0.0
    for number, those in groupby(updates, key=lambda update: update.epoch):
        within = list(those)
        last = within[-1]
        if last is not updates[-1] or last.position >= number:
            tokens = sum(update.tokens for update in within)
            epochs.append(Epoch(number, tokens, last.seconds - seconds))
        seconds = last.seconds
    return epochs
