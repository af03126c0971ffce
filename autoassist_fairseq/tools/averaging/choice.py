"""Which checkpoints go into an average: pure functions over names, updates and values.

fairseq writes ``checkpoint{E}.pt`` at the end of epoch E, ``checkpoint_{E}_{U}.pt`` after update
U, and ``checkpoint.best_{METRIC}_{VALUE}.pt`` for the best so far; ``checkpoint_last.pt`` and
``checkpoint_best.pt`` are copies of one of these and never count by themselves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from autoassist_fairseq.errors import UserError

Kind = Literal["epoch", "update"]

_PATTERNS: dict[str, re.Pattern[str]] = {
    "epoch": re.compile(r"checkpoint(\d+)\.pt"),
    "update": re.compile(r"checkpoint_\d+_(\d+)\.pt"),
    "best": re.compile(r"checkpoint\.best_.+?_(-?\d+\.?\d*)\.pt"),
}


@dataclass(frozen=True)
class Candidate:
    """A checkpoint that may be among the best.

    Attributes:
        name: file name.
        updates: optimiser updates that it had seen.
        value: what fairseq recorded for its ``--best-checkpoint-metric``; None when it was saved
            without a validation.
    """

    name: str
    updates: int
    value: float | None


def last_checkpoints(
    names: Iterable[str], count: int, kind: Kind, upper_bound: int | None = None
) -> list[str]:
    """Return the ``count`` newest checkpoints of one kind, newest first.

    Args:
        names: file names of a folder, in any order.
        count: how many, at least 1.
        kind: by epoch number or by update number.
        upper_bound: largest epoch or update that may be taken, itself included.

    Raises:
        UserError: fewer than ``count`` are there.
    """
    found = [(number, name) for name in names if (number := _number(name, kind)) is not None]
    allowed = sorted((n, s) for n, s in found if upper_bound is None or n <= upper_bound)
    if len(allowed) < count:
        beyond = len(found) - len(allowed)
        limit = f" up to {kind} {upper_bound} ({beyond} lie beyond it)" if beyond else ""
        keep = "keep-last-epochs" if kind == "epoch" else "keep-interval-updates"
        raise UserError(
            f"`--num-{kind}-checkpoints` {count} asks for more {kind} checkpoints than the folder "
            f"holds, {len(allowed)}{limit}; ask for fewer, or train with a larger `--{keep}`."
        )
    return [name for _, name in reversed(allowed[-count:])]


def best_checkpoints(
    candidates: Sequence[Candidate], count: int, maximize: bool
) -> list[Candidate]:
    """Return the ``count`` best checkpoints, best first; of equal ones the more trained first.

    Files that are copies of each other (same number of updates) count once.

    Args:
        candidates: checkpoints with their recorded values.
        count: how many, at least 1.
        maximize: whether a larger value is better.

    Raises:
        UserError: fewer than ``count`` have a value.
    """
    usable: dict[int, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: c.name):
        if candidate.value is not None and not math.isnan(candidate.value):
            usable.setdefault(candidate.updates, candidate)
    if len(usable) < count:
        raise UserError(
            f"`--num-best-checkpoints` {count} asks for more than the {len(usable)} distinct "
            f"checkpoints that record a validation value, of {len(candidates)} files looked at; "
            "ask for fewer, or validate whenever a checkpoint is saved."
        )
    sign = -1.0 if maximize else 1.0
    ranked = sorted(usable.values(), key=lambda c: (sign * (c.value or 0.0), -c.updates))
    return ranked[:count]


def is_candidate(name: str) -> bool:
    """Say whether a file name is a checkpoint of its own (not ``_last`` or ``_best``)."""
    return any(pattern.fullmatch(name) for pattern in _PATTERNS.values())


def _number(name: str, kind: Kind) -> int | None:
    match = _PATTERNS[kind].fullmatch(name)
    return int(match.group(1)) if match else None
