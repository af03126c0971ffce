"""A fairseq log -> epochs, validations, what the Assistant said of itself; as far as it goes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from autoassist_fairseq.tools.report.lines import Figures, Line, read_line

_LOADED = re.compile(r"Loaded checkpoint .* @ (\d+) updates\)")
_WRITING = re.compile(r"Saved checkpoint .*\(writing took ([\d.]+) seconds\)")
_POLICY = re.compile(r"'autoassist_policy': '([\w-]+)'")
_START = "Start iterating over samples"
_VALIDATION = "begin validation on"
_FRESH = "No existing checkpoint found"
_STOPPING = "Stopping training due to"
_DONE = "done training in"


@dataclass(frozen=True)
class Mark:
    """A moment of training: ``updates`` done, ``seconds`` trained (None: the log has no times)."""

    epoch: int
    updates: int
    seconds: float | None
    figures: Figures


@dataclass
class Log:
    """What a log says.

    Attributes:
        inner, train, valid: moments with statistics: within epochs, at the ends of whole ones
            (means over the epoch), and validations; ascending in updates.
        first_update: updates done before the log begins; 0 if it begins at the beginning.
        resumed: epochs in which a process began anew: the log's clock lost part of them.
        policy: ``--autoassist-policy``, if the log names it.
        done: training came to its end.
        damaged: lines that could not be read.
    """

    inner: list[Mark] = field(default_factory=list)
    train: list[Mark] = field(default_factory=list)
    valid: list[Mark] = field(default_factory=list)
    first_update: int = 0
    resumed: set[int] = field(default_factory=set)
    policy: str | None = None
    done: bool = False
    damaged: int = 0

    @property
    def last_update(self) -> int:
        """The highest number of updates that any line names."""
        return max((marks[-1].updates for marks in self._kinds if marks), default=0)

    @property
    def _kinds(self) -> tuple[list[Mark], ...]:
        return self.inner, self.train, self.valid


def read_log(lines: Iterable[str]) -> Log:
    """Read all lines of a log, whichever of them are damaged or missing."""
    reader = _Reader()
    for line in lines:
        reader.feed(read_line(line.rstrip("\n")))
    return reader.log


class _Clock:
    """Seconds of training: what validation and writing checkpoints take does not count."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.seen = False
        self._since: float | None = None
        self._now: float | None = None

    def tick(self, time: float | None) -> None:
        if time is None:
            return
        self.seen, self._now = True, time
        if self._since is not None:
            self.seconds += max(0.0, time - self._since)
            self._since = time

    def start(self) -> None:
        if self._since is None:
            self._since = self._now

    def stop(self) -> None:
        self._since = None

    @property
    def value(self) -> float | None:
        return self.seconds if self.seen else None


class _Reader:
    def __init__(self) -> None:
        self.log = Log()
        self._clock = _Clock()
        self._resuming = self._stopping = False

    def feed(self, line: Line) -> None:
        self._clock.tick(line.time)
        self.log.damaged += line.damaged
        if line.kind is not None:
            self._statistics(line)
        else:
            self._event(line.text)

    def _statistics(self, line: Line) -> None:
        assert line.kind is not None
        epoch, updates = int(line.figures["epoch"]), int(line.figures["num_updates"])
        mark = Mark(epoch, updates, self._clock.value, line.figures)
        marks: list[Mark] = getattr(self.log, line.kind)
        # A line said twice (`--log-file` does), or training again from an earlier checkpoint
        _undo(marks, updates - 1)
        if line.kind != "train" or self._whole(epoch, updates):
            marks.append(mark)
        self._clock.start()
        if self._resuming:
            self.log.resumed.add(epoch)
            self._resuming = False

    def _whole(self, epoch: int, updates: int) -> bool:
        """Whether the line at the end of an epoch is not that of training that stops within it."""
        if not self._stopping:
            return True
        last = self.log.inner[-1] if self.log.inner else None
        return last is not None and last.updates == updates and last.figures.get("update") == epoch

    def _event(self, text: str) -> None:
        if found := _LOADED.search(text):
            self._resume(int(found[1]))
        elif _FRESH in text:
            self._resume(0)
        elif _START in text:
            self._clock.start()
        elif _VALIDATION in text:
            self._clock.stop()
        elif found := _WRITING.search(text):
            # The stamps are whole seconds; shorter writing does not show in them.
            self._clock.seconds -= min(float(int(float(found[1]))), self._clock.seconds)
        elif _STOPPING in text:
            self._stopping = True
        elif _DONE in text:
            self.log.done = True
        elif self.log.policy is None and (found := _POLICY.search(text)):
            self.log.policy = found[1]

    def _resume(self, updates: int) -> None:
        """Go back to a checkpoint: what was trained after it is trained again."""
        if not self.log.last_update:
            self.log.first_update = updates
        for marks in (self.log.inner, self.log.train, self.log.valid):
            _undo(marks, updates)
        known = [m.seconds or 0.0 for m in (*self.log.inner, *self.log.train, *self.log.valid)]
        self._clock.seconds = max(known, default=0.0)
        self._clock.stop()
        self._resuming, self._stopping, self.log.done = updates > 0, False, False


_T = TypeVar("_T", bound=Mark)


def _undo(marks: list[_T], updates: int) -> None:
    """Forget the marks after ``updates``."""
    while marks and marks[-1].updates > updates:
        marks.pop()
