"""Which checkpoints go into an average: pure functions over names, updates and values.

fairseq writes ``checkpoint{E}.pt`` at the end of epoch E, ``checkpoint_{E}_{U}.pt`` after update
U, and ``checkpoint.best_{METRIC}_{VALUE}.pt`` for the best so far; ``checkpoint_last.pt`` and
``checkpoint_best.pt`` are copies of one of these and never count by themselves. With
``--checkpoint-suffix`` each of these names has it before ``.pt``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from autoassist_fairseq.errors import UserError

Kind = Literal["epoch", "update"]

_PATTERNS: dict[str, re.Pattern[str]] = {
    "epoch": re.compile(r"checkpoint(\d+)"),
    "update": re.compile(r"checkpoint_\d+_(\d+)"),
    "best": re.compile(r"checkpoint\.best_.+?_(-?\d+\.?\d*)"),
}
_SUFFIXED = re.compile(r"checkpoint(?:\d+|_\d+_\d+|_last|_best)([^\d.].*)\.pt")
_IN_TRAINING: dict[Kind, str] = {
    "epoch": "train with a larger `--keep-last-epochs` and without `--no-epoch-checkpoints`",
    "update": "train with `--save-interval-updates` and a larger `--keep-interval-updates`",
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
    names: Collection[str],
    count: int,
    kind: Kind,
    upper_bound: int | None = None,
    suffix: str = "",
) -> list[str]:
    """Return the ``count`` newest checkpoints of one kind, newest first.

    Args:
        names: file names of a folder, in any order.
        count: how many, at least 1.
        kind: by epoch number or by update number.
        upper_bound: largest epoch or update that may be taken, itself included.
        suffix: of ``--checkpoint-suffix``.

    Raises:
        UserError: fewer than ``count`` are there.
    """
    found = _numbered(names, kind, suffix)
    allowed = sorted((n, s) for n, s in found if upper_bound is None or n <= upper_bound)
    if len(allowed) < count:
        beyond = len(found) - len(allowed)
        limit = f" up to {kind} {upper_bound} ({beyond} lie beyond it)" if beyond else ""
        raise UserError(
            f"`--num-{kind}-checkpoints` {count} asks for more {kind} checkpoints than the folder "
            f"holds, {len(allowed)}{limit}; {ways_on(names, kind, len(allowed), suffix)}."
        )
    return [name for _, name in reversed(allowed[-count:])]


def best_checkpoints(
    candidates: Sequence[Candidate], count: int, maximize: bool, others: str = ""
) -> list[Candidate]:
    """Return the ``count`` best checkpoints, best first; of equal ones the more trained first.

    Files that are copies of each other (same number of updates) count once.

    Args:
        candidates: checkpoints with their recorded values.
        count: how many, at least 1.
        maximize: whether a larger value is better.
        others: what else can be done when there are too few.

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
            f"{others or 'ask for fewer, or validate whenever a checkpoint is saved'}."
        )
    sign = -1.0 if maximize else 1.0
    ranked = sorted(usable.values(), key=lambda c: (sign * (c.value or 0.0), -c.updates))
    return ranked[:count]


def candidates(names: Collection[str], suffix: str = "") -> list[str]:
    """Return the file names that are checkpoints of their own (not ``_last`` or ``_best``)."""
    return [name for kind in _PATTERNS for _, name in _numbered(names, kind, suffix)]


def ways_on(names: Collection[str], kind: Kind | None, have: int, suffix: str) -> str:
    """Say what can be done in a folder that has too few checkpoints of a kind (None: the best)."""
    ways = ["ask for fewer"] if have else []
    there = {other: len(_numbered(names, other, suffix)) for other in ("epoch", "update")}
    ways += [
        f"average its {number} {other} checkpoints (`--num-{other}-checkpoints`)"
        for other, number in there.items()
        if number and other != kind
    ]
    singles = [f"checkpoint_{which}{suffix}.pt" for which in ("best", "last")]
    ways += [f"take {name} as it is" for name in singles if name in names and not have][:1]
    endings = {found[1] for name in names if (found := _SUFFIXED.fullmatch(name))} - {suffix}
    ways += [f"name the suffix of others (`--checkpoint-suffix={end}`)" for end in sorted(endings)]
    ways += [_IN_TRAINING[kind]] if kind else ["validate whenever a checkpoint is saved"]
    return ", or ".join(ways)


def _numbered(names: Collection[str], kind: str, suffix: str) -> list[tuple[float, str]]:
    found = []
    for name in names:
        plain = name.removesuffix(f"{suffix}.pt")
        match = _PATTERNS[kind].fullmatch(plain) if plain != name else None
        if match:
            found.append((float(match.group(1)), name))
    return found
