"""Which check is made when: parts in order, each with its share of the time, then what is left."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autoassist_fairseq.tools.check_gpu.checks import NOT_RUN, Check, Row

Checks = Sequence[Check[Any]]
# What a row may take of what it was reckoned at, and more, before it counts as hanging.
PATIENCE, LEAST = 6.0, 90.0
QUICKEST = 0.2


class Timetable:
    """Says what is to be done next.

    Parts take their turn in the order of ``shares``; each may use its share of what is left for it
    and the parts after it, so that time which one leaves goes to the others. Then whatever did not
    fit is asked again, first part first. Estimates follow what the part's rows took so far.

    Args:
        checks: all that is to be done, the most telling of each part first.
        shares: part -> share of the time.
        seconds: for all of it; None = as long as it takes.
        clock: tells the time.

    Attributes:
        end: when all must be over.
        stopped: whether nothing more is to begin.
    """

    def __init__(
        self,
        checks: Checks,
        shares: Mapping[str, float],
        seconds: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self.end = clock() + seconds if seconds is not None else float("inf")
        self._parts = {part: [one for one in checks if one.part == part] for part in shares}
        self._shares, self._turns = shares, [*shares]
        self._ratios: dict[str, list[float]] = {part: [] for part in shares}
        self._part_end = float("-inf")
        self._open, self.stopped = "", False

    def next(self) -> Check[Any] | None:
        """Return what is to be done now; None: nothing more, or nothing that fits."""
        with self._lock:
            while self._turns and not self.stopped:
                part = self._turns[0]
                if self._open != part:
                    self._open_part(part)
                if (found := self._take(part, self._part_end)) is not None:
                    return found
                self._turns.pop(0)
            for part in () if self.stopped else self._parts:
                if (found := self._take(part, self.end)) is not None:
                    return found
            return None

    def _open_part(self, part: str) -> None:
        left = sum(self._shares[one] for one in self._turns)
        now = self._clock()
        self._open = part
        self._part_end = now + (self.end - now) * self._shares[part] / left

    def _take(self, part: str, end: float) -> Check[Any] | None:
        now = self._clock()
        for check in self._parts[part]:
            if now + self.estimate(check) <= min(end, self.end):
                self._parts[part].remove(check)
                return check
        return None

    def estimate(self, check: Check[Any]) -> float:
        """Return how long ``check`` will take, by what those of its part took."""
        ratios = self._ratios[check.part]
        return check.seconds * (max(QUICKEST, statistics.median(ratios)) if ratios else 1.0)

    def took(self, check: Check[Any], seconds: float) -> None:
        """Note how long ``check`` took."""
        with self._lock:
            self._ratios[check.part].append(seconds / check.seconds)

    def fits(self, check: Check[Any]) -> bool:
        """Return whether the time is enough for ``check``, which begins now."""
        return self._clock() + self.estimate(check) <= self.end

    def due(self, check: Check[Any]) -> float:
        """Return by when ``check``, which begins now, must have ended."""
        now = self._clock()
        return min(self.end, now + PATIENCE * max(self.estimate(check), LEAST / PATIENCE))

    def left_over(self) -> list[Row]:
        """Return a row for each check that did not fit."""
        return [self.no_time(check) for checks in self._parts.values() for check in checks]

    def no_time(self, check: Check[Any]) -> Row:
        """Return the row of a check that does not fit."""
        return Row(
            check.part, check.name, NOT_RUN, f"time: {self.estimate(check):.0f} s are needed"
        )
