"""The table: one row for each target, which of them were missed, and how time is taken."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
HEAD = "| what | target | measured |  | beside |\n|---|--:|--:|---|---|"

TOLERANCE = 0.10  # a target is missed by more than this part of it
# The quick form runs beside other work on small corpora: only a value that is this many times
# worse than its target (for ratios and growth: whose excess over 1 is) tells of a fault.
QUICK_SLACK = 3.0


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: what was measured, with its unit.
        value: what came out.
        target: what it should be; None = only told.
        form: how to print both.
        higher: whether more is better.
        tolerance: the part of the target that a value may be worse.
        ratio: whether 1 is the ideal and the slack widens only what is above it.
        beside: what else was seen.
    """

    what: str
    value: float
    target: float | None = None
    form: str = "{:,.2f}"
    higher: bool = False
    tolerance: float = TOLERANCE
    ratio: bool = False
    beside: str = ""

    def missed(self, slack: float = 1.0) -> bool:
        """Return whether the target, loosened by ``slack`` (1 = not), is missed."""
        if self.target is None:
            return False
        if math.isnan(self.value):
            return True
        if self.higher:
            return self.value < self.target * (1 - self.tolerance) / slack
        limit = self.target * (1 + self.tolerance)
        return self.value > (1 + slack * (limit - 1) if self.ratio else limit * slack)

    def line(self, slack: float) -> str:
        """Return this line in Markdown."""
        value, target, verdict = self.form.format(self.value), "", ""
        if self.target is not None:
            target = self.form.format(self.target)
            verdict = "MISSED" if self.missed(slack) else "ok"
        return f"| {self.what} | {target} | {value} | {verdict} | {self.beside} |"


def verdict(rows: Sequence[Row], slack: float) -> str:
    """Return the rows that missed their target, in one sentence; empty if there is none."""
    missed = [row.what for row in rows if row.missed(slack)]
    return f"targets missed by more than {TOLERANCE:.0%}: {'; '.join(missed)}" if missed else ""


def cpu_seconds(work: Callable[[T], object], inputs: Sequence[T]) -> float:
    """Return the median CPU seconds of ``work`` over ``inputs``, thrice each, after one warm-up.

    Of this thread: other work on the machine counts least.
    """
    work(inputs[0])
    seconds = []
    for item in (*inputs,) * 3:
        begin = time.thread_time()
        work(item)
        seconds.append(time.thread_time() - begin)
    return statistics.median(seconds)
