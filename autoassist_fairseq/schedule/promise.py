"""What a pass promises when it begins: its windows, and the batches that each of them owes."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.schedule import passes
from autoassist_fairseq.schedule.folder import Folder
from autoassist_fairseq.schedule.order import Order
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.passes import Pass
from autoassist_fairseq.schedule.selection import Selection
from autoassist_fairseq.settings import Settings

Ints = NDArray[Any]


def promise(
    selection: Selection, folder: Folder, budget: Budget, settings: Settings, index: int, group: int
) -> Pass:
    """Return pass ``index`` (from 1) at ``group`` batches per update.

    A pass that keeps every pair, or whose policy is settled, counts its batches; one that shrinks
    forecasts them, from the pairs that it will consider first.
    """
    order = Order(folder.ids, settings.seed, index)
    scored, warm = order[: passes.SAMPLE], selection.warm
    lengths = np.maximum(*folder.sizes(scored))
    shares = [selection.expected_share(scored, lengths, warms) for warms in (False, True)]
    every = batches_of_all(order, folder, budget)
    updates = int((warm * shares[1] + (1 - warm) * shares[0]) * every) // group
    window = passes.window_size(len(order), updates, settings.window)
    empty = np.zeros(math.ceil(len(order) / window), np.int64)
    keep_all, policy, cut = shares[0] >= 1, settings.rule, settings.hopeless == "cut"
    now = Pass(index, order, window, group, empty, keep_all, settings.seed, policy, cut)
    now = replace(now, warm=_warm_windows(now, warm))
    if keep_all or selection.settled(now, now.windows - 1):
        counts = itertools.accumulate(map(len, _kept(selection, now)))  # as far as they matter
        if not any(count >= group for count in counts):  # too few for one update: all are kept
            now = replace(now, keep_all=True)
        kept = _kept(selection, now)
        return replace(now, quotas=passes.exact_quotas(kept, folder.sizes, budget, group))
    return replace(now, quotas=_forecast(selection, folder, budget, now, shares))


def batches_of_all(order: Order, folder: Folder, budget: Budget, window: int = 0) -> float:
    """Return how many batches hold every pair of ``order``, from those that it considers first.

    Packed in windows of so many pairs, 0 = all at once.
    """
    counted = order[: passes.LARGEST_WINDOW]
    step = window or len(counted)
    windows = (counted[begin : begin + step] for begin in range(0, len(counted), step))
    batches = sum(passes.count_batches(some, folder.sizes, budget) for some in windows)
    return batches * len(order) / len(counted)


def _warm_windows(now: Pass, share: float) -> int:
    """Return how many windows begin in the first ``share`` of the pass.

    All of them, if fewer pairs than an update has batches would be left.
    """
    warm = math.ceil(share * now.windows)
    left = len(now.order) - warm * now.window_pairs
    return warm if left >= now.group else now.windows


def _forecast(
    selection: Selection, folder: Folder, budget: Budget, now: Pass, shares: Sequence[float]
) -> NDArray[np.int64]:
    """Return the quotas of a pass of which not everything is known, where ``shares`` are kept.

    ``shares`` are of what comes after the warm-up, and of what comes before.
    """
    known = now.warm if selection.settled(now, 0) else 0
    kept = itertools.islice(_kept(selection, now), known)
    exact = [passes.count_batches(pairs, folder.sizes, budget) for pairs in kept]
    begins = range(0, len(now.order), now.window_pairs)
    pairs = [min(now.window_pairs, len(now.order) - begin) for begin in begins]
    of_window = [shares[now.warms(window)] for window in range(now.windows)]
    share = sum(map(operator.mul, pairs[known:], of_window[known:])) / len(now.order)
    batches = share * batches_of_all(now.order, folder, budget, now.window_pairs)
    return passes.shrunk_quotas(batches, pairs, of_window, now.group, exact)


def _kept(selection: Selection, now: Pass) -> Iterator[Ints]:
    """Yield the pairs that the policy leaves of each window."""
    return (selection.candidates(now, window) for window in range(now.windows))
