"""``--budget``: when training ends, and how many updates it takes to get there.

fairseq stops after a number of updates, so a run goes in legs: what the updates so far cost tells
how many are left, with a margin for their spread, until less than half an update is missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from autoassist_fairseq.errors import UserError

Kind = Literal["tokens", "seconds", "passes"]
#: Updates of the first leg when only time will tell what an update costs.
FIRST = 50
# Seconds are not worth a process start for less than this share of the budget.
_NEAR = 0.005
#: Updates that foretell what the next ones cost.
RECENT = 200
_SIGMAS = 2.5


@dataclass(frozen=True)
class Budget:
    """What each run may spend.

    Attributes:
        kind: ``tokens`` (target tokens trained on), ``seconds`` (of training alone) or ``passes``
            (epochs: arms that skip train on fewer tokens).
        amount: how many, > 0.
    """

    kind: Kind
    amount: float

    def __str__(self) -> str:
        return f"{self.kind}={self.amount:.12g}"


def parse_budget(text: str) -> Budget:
    """Read ``tokens=N``, ``seconds=S`` or ``passes=P``.

    Raises:
        UserError: it is none of these.
    """
    kind, _, number = text.partition("=")
    try:
        amount = float(number.replace("_", ""))
    except ValueError:
        amount = math.nan
    whole = kind != "passes" or amount % 1 == 0
    if kind not in get_args(Kind) or not 0 < amount < math.inf or not whole:
        raise UserError(
            "`--budget` must be tokens=N, seconds=S or passes=P with a number above 0 (P: a whole "
            f"one), but is {text!r}."
        )
    return Budget(kind, amount)  # type: ignore[arg-type]


def leg(budget: Budget, spent: Sequence[float], bound: int) -> int:
    """Return the updates of the next leg; 0 when the budget is spent.

    Args:
        budget: what may be spent.
        spent: what every update so far cost, in the budget's kind.
        bound: tokens that an update has at most.
    """
    if not len(spent):
        return max(1, int(budget.amount // bound)) if budget.kind == "tokens" else FIRST
    left, mean, deviation = _left(budget, spent)
    known = min(len(spent), RECENT)
    if left <= max(mean / 2, _NEAR * budget.amount if budget.kind == "seconds" else 0.0):
        return 0
    updates = left / mean
    # Spread of a sum of so many costs, and of the mean that foretells it
    spread = deviation / mean * math.sqrt(updates * (1 + updates / known))
    return max(1, int(updates - _SIGMAS * spread))


def expected(budget: Budget, spent: Sequence[float], bound: int) -> int:
    """Return the updates of the whole run, as far as it is known.

    Before the first leg it is twice that leg: for a policy that does something else at the end,
    which no run reaches in its first leg.
    """
    if not len(spent):
        return 2 * leg(budget, spent, bound)
    left, mean, _ = _left(budget, spent)
    return len(spent) + max(0, round(left / mean))


def _left(budget: Budget, spent: Sequence[float]) -> tuple[float, float, float]:
    recent = np.asarray(spent[-RECENT:], dtype=np.float64)
    mean = max(float(recent.mean()), 1e-9)
    return budget.amount - float(np.sum(spent)), mean, float(recent.std())
