"""A pass: one sweep over all pairs in a seeded order, in windows with a quota of batches each.

fairseq fixes the number of updates when an epoch starts, so a pass promises it: every window owes
a known number of batches (decision note: docs/decisions/epoch-length.md).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.schedule.order import Order
from autoassist_fairseq.schedule.packing import Budget

Ints = NDArray[Any]
Sizes = Callable[[Ints], tuple[Ints, Ints]]

# A window lasts at least this many updates, so that prefetch (which asks for the next window
# early) never waits for losses that only the waiting thread could bring.
LEAST_UPDATES = 16
# Windows that are chosen for the corpus: at least this many a pass, at most this many pairs each.
LEAST_WINDOWS = 8
LARGEST_WINDOW = 524_288
# Pairs that are scored to forecast how many a pass keeps: to half a per cent.
SAMPLE = 131_072
# Shares of pairs are counted in such parts, so that quotas are sums of whole numbers.
UNIT = 2**20


@dataclass(frozen=True)
class Pass:
    """What is promised when a pass begins.

    Attributes:
        index: 1 for the first pass.
        order: [P] pair ids in the order in which they are considered.
        window_pairs: pairs considered in each window (the last one holds the rest).
        group: batches that make one update, over all ranks.
        quotas: [W] batches that each window yields.
        keep_all: whether every pair is kept.
        policy: whose choice the quotas were counted for.
        cut: whether they were counted without the hopeless pairs.
        seed: of every random stream of the pass.
        warm: windows, from the first, that keep every pair which is not hopeless.
        offset: batches that count as trained on before the quotas, after a change of ``group``;
            ``offset`` and quotas add up to a multiple of ``group``.
    """

    index: int
    order: Order
    window_pairs: int
    group: int
    quotas: NDArray[np.int64]
    keep_all: bool
    seed: int
    policy: str
    cut: bool = False
    warm: int = 0
    offset: int = 0

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
        return (self.offset + int(self.quotas[: max(window + 1, 0)].sum())) // self.group

    def learned_before(self, window: int) -> int:
        """Return how many updates must be learned before ``window`` is planned.

        All up to the window before the last; of very short windows, what has come back by then.
        """
        return max(0, min(self.updates_through(window - 2), self.updates_through(window - 1) - 2))

    def warms(self, window: int) -> bool:
        """Return whether ``window`` is part of the warm-up."""
        return window < self.warm

    def pairs_of(self, window: int) -> NDArray[np.int32]:
        """Return the pairs that ``window`` considers."""
        return self.order[window * self.window_pairs : (window + 1) * self.window_pairs]

    def least_updates(self, window: int = 0) -> int:
        """Return the updates of the shortest window that is asked for while a plan is waited for.

        ``window`` is the next to be planned. Its plan waits for what the last but one teaches,
        while batches of the last, which is planned, are asked for: that one counts, too.
        """
        between = range(max(1, window - 1), self.windows - 1)
        lengths = [self.updates_through(w) - self.updates_through(w - 1) for w in between]
        return min(lengths, default=self.updates + LEAST_UPDATES)


def window_size(pairs: int, updates: int, wanted: int) -> int:
    """Return pairs per window: ``wanted`` (0 = chosen), raised so that `LEAST_UPDATES` fit."""
    wanted = wanted or min(LARGEST_WINDOW, math.ceil(pairs / LEAST_WINDOWS))
    windows = max(1, min(math.ceil(pairs / wanted), updates // LEAST_UPDATES))
    return math.ceil(pairs / windows)


def count_batches(pairs: Ints, sizes: Sizes, budget: Budget) -> int:
    """Return how many batches hold all ``pairs``."""
    # The order of equal lengths, which packing cares about, does not change how many there are.
    return budget.count(np.sort(np.maximum(*sizes(pairs)))[::-1])


def exact_quotas(
    windows: Iterable[Ints], sizes: Sizes, budget: Budget, group: int
) -> NDArray[np.int64]:
    """Return the batches of every window [W] for the pairs kept in it, made whole updates.

    The last windows split batches to fill the last update. Only if too many hold a single pair
    (``--batch-size 1``) are fewer than ``group`` batches left out instead.
    """
    counts = [(count_batches(pairs, sizes, budget), len(pairs)) for pairs in windows]
    table: NDArray[np.int64] = np.array(counts, np.int64)
    quotas, kept = table[:, 0], table[:, 1]
    check_enough(int(kept.sum()), group)
    room, total = kept - quotas, int(quotas.sum())
    if -total % group <= room.sum():
        return quotas + from_the_end(-total % group, room)
    return quotas - from_the_end(total % group, quotas)


def from_the_end(amount: int, room: NDArray[np.int64]) -> NDArray[np.int64]:
    """Spread ``amount`` over places that take up to ``room`` [W] each, the last ones first."""
    before = np.cumsum(room[::-1]) - room[::-1]
    share: NDArray[np.int64] = np.clip(amount - before, 0, room[::-1])[::-1]
    return share


def shrunk_quotas(
    batches: float,
    pairs: Sequence[int],
    shares: Sequence[float],
    group: int,
    exact: Sequence[int] = (),
) -> NDArray[np.int64]:
    """Return the batches of every window [W]: about as many as forecast, in whole updates.

    Args:
        batches: forecast for the windows that are not ``exact``.
        pairs: [W] that each window considers, the most batches that it can make; those of the
            windows that are not ``exact`` are ``group`` or more.
        shares: [W] of them that are kept, by the forecast.
        group: batches of one update.
        exact: batches of the first windows, where they are known.
    """
    check_enough(sum(pairs), group)
    owed, room = sum(exact), sum(pairs[len(exact) :])
    updates = min(round((owed + batches) / group), (owed + room) // group)
    total = max(1, updates, -(-owed // group)) * group - owed
    weights = [
        count * max(1, round(share * UNIT)) for count, share in zip(pairs, shares, strict=True)
    ][len(exact) :]
    sums = list(itertools.accumulate(weights))
    through = [before * total // sums[-1] for before in sums]
    quotas = np.array([*exact, *np.diff(through, prepend=0)], np.int64)
    most = np.array(pairs, np.int64)
    capped = np.minimum(quotas, most)
    return capped + from_the_end(int((quotas - capped).sum()), most - capped)


def check_enough(pairs: int, group: int) -> None:
    """Raise `UserError` if a pass has fewer pairs than one update has batches."""
    if pairs < group:
        raise UserError(
            f"`DATA` must hold at least as many pairs as one update has batches ({group} = ranks "
            f"x --update-freq), but {pairs} are left to train on; use fewer ranks or a smaller "
            "--update-freq, or more data."
        )
