"""A fairseq log -> epochs, validations, what the Assistant said of itself; as far as it goes.

Whole logs of finished runs, or the lines of a running one as they come.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from autoassist_fairseq.log_lines import Figures, Line, read_line
from autoassist_fairseq.tools.common.clock import Clock


@dataclass(frozen=True)
class Mark:
    """A moment of training: ``updates`` done, ``seconds`` trained (None: the log has no times)."""

    epoch: int
    updates: int
    seconds: float | None
    figures: Figures

    @property
    def loss(self) -> float:
        """NLL, bits per token; NaN if there is none.

        The loss where that is all: ``cross_entropy`` logs no NLL beside it where it is the same.
        """
        return self.figures.get("nll_loss", self.figures.get("loss", math.nan))


@dataclass
class Start:
    """What a process says of itself before it trains.

    Attributes:
        policy: ``--autoassist-policy``, if the log names it.
        warmup: passes that keep every pair, or some of them: ``--autoassist-warmup-passes``.
        warmup_updates: ``--autoassist-warmup-updates``; 0 = not given.
        languages: source and target, as far as the log tells.
    """

    policy: str | None = None
    warmup: int = 1
    warmup_updates: int = 0
    languages: list[str] = field(default_factory=list)


@dataclass
class Log:
    """What a log says; of several runs that are in it, what it says of the last.

    Attributes:
        inner, train, valid: moments with statistics: within epochs, at the ends of whole ones
            (means over the epoch), and validations (of the subset that comes first, if there are
            several); ascending in updates.
        first_update: updates done before the log begins; 0 if it begins at the beginning.
        first_epoch: in which the log begins.
        resumed: epochs in which a process began anew: the log's clock lost part of them.
        subset: that is validated on; empty before a validation.
        start: what was said when the run began, or the log.
        policies: each with the updates that were done when the run began, or went on, with it.
        done: training came to its end.
        damaged: lines that could not be read.
    """

    inner: list[Mark] = field(default_factory=list)
    train: list[Mark] = field(default_factory=list)
    valid: list[Mark] = field(default_factory=list)
    first_update: int = 0
    first_epoch: int = 1
    resumed: set[int] = field(default_factory=set)
    subset: str = ""
    start: Start = field(default_factory=Start)
    policies: list[tuple[int, str]] = field(default_factory=list)
    done: bool = False
    damaged: int = 0

    @property
    def last_update(self) -> int:
        """The highest number of updates that any line names."""
        return max((marks[-1].updates for marks in self._kinds if marks), default=0)

    @property
    def policy(self) -> str | None:
        """The run's policy, if the log names it; all of them, where it went on with another."""
        return ", then ".join(policy for _, policy in self.policies) or None

    @property
    def _kinds(self) -> tuple[list[Mark], ...]:
        return self.inner, self.train, self.valid


def read_log(lines: Iterable[str]) -> Log:
    """Read all lines of a log, whichever of them are damaged or missing."""
    reader = Reader()
    for line in lines:
        reader.feed(line)
    return reader.log


class Reader:
    """Makes a `Log` of lines as they come.

    Of several ranks that write into one log, one is followed: the last that told of a start.
    """

    def __init__(self) -> None:
        self.log = Log()
        self._clock = Clock()
        self._rank: str | None = None
        self._subset = ""  # that is being validated
        self._told = Start()  # by the process at hand, or the one that is about to begin
        self._trained = False  # whether that process has
        self._begun = self._resuming = self._stopping = False

    def feed(self, raw: str, now: float | None = None) -> Line:
        """Take a line, written ``now`` (seconds; None: as its stamp says); returns it."""
        line = read_line(raw)
        self.log.damaged += line.damaged
        if line.event in ("loaded", "fresh") or (line.kind and self._rank is None):
            self._rank = line.rank
        if self._rank is None or line.rank == self._rank:
            self._clock.feed(line, line.time if now is None else now)
            if line.kind is not None:
                self._statistics(line)
            elif line.event:
                self._event(line)
        return line

    def _statistics(self, line: Line) -> None:
        assert line.kind is not None
        if not self._begun:  # the log lacks its first lines
            self._adopt(0)
        self._trained = True
        epoch, updates = int(line.figures["epoch"]), int(line.figures["num_updates"])
        mark = Mark(epoch, updates, self._clock.value, line.figures)
        kind, subset = line.kind, line.subset
        if kind == "train" and self._subset == "train":  # `--valid-subset train`
            kind, subset = "valid", "train"
        if kind == "valid":
            self._subset = ""
            self.log.subset = self.log.subset or subset
            if subset != self.log.subset:
                return
        marks: list[Mark] = getattr(self.log, kind)
        # A line said twice (`--log-file` does), or training again from an earlier checkpoint
        _undo(marks, updates - 1)
        if kind != "train" or self._whole(epoch, updates):
            marks.append(mark)
        if self._resuming:
            self.log.resumed.add(epoch)
            self._resuming = False

    def _whole(self, epoch: int, updates: int) -> bool:
        """Whether the line at the end of an epoch is not that of training that stops within it."""
        if not self._stopping:
            return True
        last = self.log.inner[-1] if self.log.inner else None
        return last is not None and last.updates == updates and last.figures.get("update") == epoch

    def _event(self, line: Line) -> None:
        if line.event in ("loaded", "fresh"):
            self._resume(int(line.words.get("updates", 0)), int(line.words.get("epoch", 1)))
        elif line.event == "validation":
            self._subset = line.words["subset"]
        elif line.event == "stopping":
            self._stopping = True
        elif line.event == "done":
            self.log.done = True
        elif line.event in ("dictionary", "policy"):
            self._tell(line)

    def _tell(self, line: Line) -> None:
        if self._trained:  # another process
            self._told, self._trained = Start(), False
        told = self._told
        if line.event == "dictionary":  # that of the source comes first, whichever rank tells
            told.languages = list(dict.fromkeys([*told.languages, line.words["language"]]))
        else:
            told.policy = line.words["policy"]
            told.warmup = math.ceil(float(line.words.get("warmup", 1)))
            told.warmup_updates = int(line.words.get("updates", 0))

    def _adopt(self, updates: int) -> None:
        """Take what the process says of itself; of a run that goes on, its policy alone."""
        if not self._begun:
            self.log.start, self._begun = self._told, True
        kept = [one for one in self.log.policies if one[0] < updates]
        policy = self._told.policy
        if policy and policy not in (one[1] for one in kept[-1:]):
            kept.append((updates, policy))
        self.log.policies = kept

    def _resume(self, updates: int, epoch: int) -> None:
        """Go back to a checkpoint: what was trained after it is trained again.

        Without one (0 updates), another run begins in the same file.
        """
        if not updates:
            self.log, self._begun = Log(), False
        if not self._begun or updates < self.log.first_update:
            self.log.first_update, self.log.first_epoch = updates, epoch
        self._adopt(updates)
        self.log.resumed = {one for one in self.log.resumed if one < epoch}
        for marks in (self.log.inner, self.log.train, self.log.valid):
            _undo(marks, updates)
        known = [m.seconds or 0.0 for m in (*self.log.inner, *self.log.train, *self.log.valid)]
        self._clock.set_back(max(known, default=0.0))
        self._resuming, self._stopping, self.log.done = updates > 0, False, False


def _undo(marks: list[Mark], updates: int) -> None:
    """Forget the marks after ``updates``."""
    while marks and marks[-1].updates > updates:
        marks.pop()
