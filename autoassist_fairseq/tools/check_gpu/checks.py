"""What a check is, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from autoassist_fairseq.errors import AutoAssistError

OK, FAIL, NOT_RUN = "ok", "FAIL", "not run"
R = TypeVar("R")


class NotRun(AutoAssistError):
    """A check cannot be made here; the message says why."""


class Overdue(AutoAssistError):
    """A check took longer than it may."""


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        ok: whether it is as it must be.
        found: what was seen, in a line.
        figures: the same for machines.
    """

    ok: bool
    found: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check(Generic[R]):
    """One row of the table.

    Attributes:
        part: the part that it belongs to.
        name: what is checked; unique in the part.
        seconds: how long it takes, roughly.
        run: makes the check, given a runner.
        alone: whether nothing else may run beside it.
    """

    part: str
    name: str
    seconds: float
    run: Callable[[R], Outcome]
    alone: bool = False


@dataclass(frozen=True)
class Row:
    """A check that was made, or why it was not.

    Attributes:
        part, name: of the check.
        verdict: `OK`, `FAIL` or `NOT_RUN`.
        found: what was seen, or why it was not run.
        seconds: how long it took.
        figures: what was seen, for machines.
    """

    part: str
    name: str
    verdict: str
    found: str
    seconds: float = 0.0
    figures: Mapping[str, Any] = field(default_factory=dict)
