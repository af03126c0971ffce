"""How many seeds a claim needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

#: Of the paired t-test, two-sided; and the chance with which it is to find a true difference.
ALPHA, POWER = 0.05, 0.8
#: More seeds than this are not counted: nobody will run them.
MOST = 1000


def seeds_needed(differences: Sequence[float]) -> int | None:
    """Return how many seeds find a true difference of this mean and spread.

    Those with which a paired t-test at `ALPHA` (two-sided) finds it with a chance of `POWER`, by
    the noncentral t distribution. None if fewer than two are known, or all are alike; `MOST` + 1
    for more than `MOST`.
    """
    if len(differences) < 2 or (spread := stdev(differences)) < 1e-9:
        return None
    effect = abs(fmean(differences)) / spread
    if power(effect, MOST) < POWER:
        return MOST + 1
    low, high = 1, MOST  # too few, enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, middle) >= POWER else (middle, high)
    return high


def power(effect: float, seeds: int) -> float:
    """Return the chance that a paired t-test over ``seeds`` (2 or more) finds ``effect``.

    Args:
        effect: mean difference in standard deviations of the differences.
        seeds: pairs of runs.
    """
    from scipy.stats import nct, t  # takes a second to import

    limit = float(t.ppf(1 - ALPHA / 2, seeds - 1))
    shift = effect * math.sqrt(seeds)
    found = float(nct.sf(limit, seeds - 1, shift) + nct.cdf(-limit, seeds - 1, shift))
    return found if math.isfinite(found) else 1.0  # so far out that scipy sees no tail


def as_number(needed: int | None) -> str:
    """Return ``needed`` for a table."""
    if needed is None:
        return ""
    return f">{MOST}" if needed > MOST else str(needed)
