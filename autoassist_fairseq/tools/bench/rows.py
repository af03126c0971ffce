"""The table: one row for each target, and which of them were missed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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

    def cells(self, slack: float) -> tuple[str, ...]:
        """Return the cells of this line."""
        target = "" if self.target is None else self.form.format(self.target)
        verdict = "" if self.target is None else "MISSED" if self.missed(slack) else "ok"
        return (self.what, target, self.form.format(self.value), verdict, self.beside)


HEAD = ("what", "target", "measured", "", "beside")


def line(cells: Sequence[str]) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def head() -> str:
    """Return the head of the table."""
    return "\n".join((line(HEAD), "|---|--:|--:|---|---|"))


def verdict(rows: Sequence[Row], slack: float) -> str:
    """Return the rows that missed their target, in one sentence; empty if there is none."""
    missed = [row.what for row in rows if row.missed(slack)]
    return f"targets missed by more than {TOLERANCE:.0%}: {'; '.join(missed)}" if missed else ""
