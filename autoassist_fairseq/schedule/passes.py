"""A pass: one sweep over all pairs in a seeded order, cut into windows with a quota of batches each.

fairseq fixes the number of updates when an epoch starts, so a pass promises it: every window owes
a known number of batches (decision note: docs/decisions/epoch-length.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.schedule.packing import Budget, packing_order

Ints = NDArray[Any]
Sizes = Callable[[Ints], tuple[Ints, Ints]]

# A window lasts at least this many updates, so that prefetch (which asks for the next window
# early) never waits for losses that only the waiting thread could bring.
LEAST_UPDATES = 16
# Windows that are chosen for the corpus: at least this many a pass, at most this many pairs each.
LEAST_WINDOWS = 8
LARGEST_WINDOW = 32_768
# Pairs from which a pass forecasts its length.
SAMPLE = 65_536


@dataclass(frozen=True)
class Pass:
    """What is promised when a pass begins.

    Attributes:
        index: 1 for the first pass.
        order: [P] pair ids in the order in which they are considered.
        window_pairs: pairs considered in each window (the last one holds the rest).
        group: batches that make one update, over all ranks.
        quotas: [W] batches that each window yields; their sum is a multiple of ``group``.
        keep_all: whether every pair is kept.
    """

    index: int
    order: NDArray[np.int32]
    window_pairs: int
    group: int
    quotas: NDArray[np.int64]
    keep_all: bool

    @property
    def windows(self) -> int:
        """Number of windows, W."""
        return len(self.quotas)

    @property
    def updates(self) -> int:
        """Number of updates in the pass."""
        return self.updates_through(self.windows - 1)

    def updates_through(self, window: int) -> int:
        """Return how many updates are complete once ``window`` is planned; 0 before the first."""
        return int(self.quotas[: max(window + 1, 0)].sum()) // self.group

    def pairs_of(self, window: int) -> NDArray[np.int32]:
        """Return the pairs that ``window`` considers."""
        return self.order[window * self.window_pairs : (window + 1) * self.window_pairs]

    def least_updates(self) -> int:
        """Return the updates of the shortest window that planning may have to wait for."""
        between = range(1, self.windows - 1)
        lengths = [self.updates_through(w) - self.updates_through(w - 1) for w in between]
        return min(lengths, default=self.updates + LEAST_UPDATES)


def pass_order(pairs: NDArray[np.int32], seed: int, index: int) -> NDArray[np.int32]:
    """Return ``pairs`` in the order of pass ``index``: the same on every rank and after resume."""
    return np.random.default_rng([seed, index]).permutation(pairs)


def window_size(pairs: int, updates: int, wanted: int) -> int:
    """Return pairs per window: ``wanted`` (0 = chosen), raised so that `LEAST_UPDATES` fit."""
    wanted = wanted or min(LARGEST_WINDOW, math.ceil(pairs / LEAST_WINDOWS))
    windows = max(1, min(math.ceil(pairs / wanted), updates // LEAST_UPDATES))
    return math.ceil(pairs / windows)


def count_batches(pairs: Ints, sizes: Sizes, budget: Budget) -> int:
    """Return how many batches hold all ``pairs``."""
    source, target = sizes(pairs)
    return budget.count(np.maximum(source, target)[packing_order(source, target)])


def keep_all_quotas(
    order: NDArray[np.int32], window: int, sizes: Sizes, budget: Budget, group: int
) -> NDArray[np.int64]:
    """Return the batches of every window when all its pairs are kept; extra ones fill an update."""
    windows = [order[i : i + window] for i in range(0, len(order), window)]
    quotas = np.array([count_batches(pairs, sizes, budget) for pairs in windows], np.int64)
    missing = -int(quotas.sum()) % group
    for index in range(len(windows) - 1, -1, -1):
        # A batch can be split down to single pairs, no further.
        extra = min(missing, len(windows[index]) - int(quotas[index]))
        quotas[index] += extra
        missing -= extra
    check_enough(missing, len(order), group)
    return quotas


def shrunk_quotas(batches: float, pairs: int, window: int, group: int) -> NDArray[np.int64]:
    """Spread about ``batches`` (made a multiple of ``group``) evenly over the pairs of a pass."""
    check_enough(max(0, group - pairs), pairs, group)
    total = group * max(1, min(round(batches / group), pairs // group))
    ends = np.minimum(np.arange(window, pairs + window, window), pairs)
    through = ends * total // pairs
    return np.diff(through, prepend=0).astype(np.int64)


def check_enough(missing: int, pairs: int, group: int) -> None:
    """Raise `UserError` if a pass has fewer pairs than one update has batches."""
    if missing > 0:
        raise UserError(
            f"`DATA` must hold at least as many pairs as one update has batches ({group} = ranks "
            f"x --update-freq), but {pairs} are left to train on; use fewer ranks or a smaller "
            "--update-freq, or more data."
        )
