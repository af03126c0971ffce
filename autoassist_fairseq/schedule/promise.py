"""What a pass promises when it begins: its windows, and the batches that each of them owes."""

from __future__ import annotations

import math
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
    scored, counted = order[: passes.SAMPLE], order[: passes.LARGEST_WINDOW]
    share = selection.expected_share(scored, np.maximum(*folder.sizes(scored)))
    scale = share * len(order) / len(counted)
    updates = int(scale * _count([counted], folder, budget)) // group
    window = passes.window_size(len(order), updates, settings.window)
    empty = np.zeros(math.ceil(len(order) / window), np.int64)
    keep_all = share >= 1
    now = Pass(index, order, window, group, empty, keep_all, settings.seed, settings.policy)
    if keep_all or selection.settled(now):
        if sum(map(len, _kept(selection, now))) < group:  # too few for one update: all are kept
            now = replace(now, keep_all=True)
        kept = _kept(selection, now)
        return replace(now, quotas=passes.exact_quotas(kept, folder.sizes, budget, group))
    windows = [counted[begin : begin + window] for begin in range(0, len(counted), window)]
    batches = scale * _count(windows, folder, budget)
    return replace(now, quotas=passes.shrunk_quotas(batches, len(order), window, group))


def _kept(selection: Selection, now: Pass) -> Iterator[Ints]:
    """Yield the pairs that the policy leaves of each window."""
    return (selection.candidates(now, window) for window in range(now.windows))


def _count(windows: Sequence[Ints], folder: Folder, budget: Budget) -> int:
    """Return the batches that hold all pairs of ``windows``, packed window by window."""
    return sum(passes.count_batches(window, folder.sizes, budget) for window in windows)
