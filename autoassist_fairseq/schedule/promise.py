"""What a pass promises when it begins: its windows, and the batches that each of them owes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.schedule import passes
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.passes import Pass
from autoassist_fairseq.schedule.selection import Selection
from autoassist_fairseq.settings import Settings

Ints = NDArray[Any]


@dataclass(frozen=True)
class Pairs:
    """The pairs to plan.

    Attributes:
        ids: [P] pair ids that fit the model.
        source_sizes, target_sizes: tokens of every pair id.
    """

    ids: NDArray[np.int32]
    source_sizes: Ints
    target_sizes: Ints

    def sizes(self, ids: Ints) -> tuple[Ints, Ints]:
        """Return source and target lengths [P] of ``ids``."""
        return self.source_sizes[ids], self.target_sizes[ids]

    @property
    def target_tokens(self) -> int:
        """Target tokens of all pairs to train on."""
        return int(self.target_sizes[self.ids].sum(dtype=np.int64))


def promise(
    selection: Selection, pairs: Pairs, budget: Budget, settings: Settings, index: int, group: int
) -> Pass:
    """Return pass ``index`` (from 1) at ``group`` batches per update.

    A pass that keeps every pair, or whose policy is settled, counts its batches; one that shrinks
    forecasts them, from the pairs that it will consider first.
    """
    order = passes.pass_order(pairs.ids, settings.seed, index)
    scored, counted = order[: passes.SAMPLE], order[: passes.LARGEST_WINDOW]
    share = selection.expected_share(scored, np.maximum(*pairs.sizes(scored)))
    scale = share * len(order) / len(counted)
    updates = int(scale * _count([counted], pairs, budget)) // group
    window = passes.window_size(len(order), updates, settings.window)
    empty = np.zeros(math.ceil(len(order) / window), np.int64)
    keep_all = share >= 1
    now = Pass(index, order, window, group, empty, keep_all, settings.seed, settings.policy)
    if keep_all or selection.settled(now):
        windows = [selection.candidates(now, number) for number in range(now.windows)]
        if sum(map(len, windows)) < group:  # too few for one update: the pass keeps every pair
            now = replace(now, keep_all=True)
            windows = [selection.candidates(now, number) for number in range(now.windows)]
        return replace(now, quotas=passes.exact_quotas(windows, pairs.sizes, budget, group))
    windows = [counted[begin : begin + window] for begin in range(0, len(counted), window)]
    batches = scale * _count(windows, pairs, budget)
    return replace(now, quotas=passes.shrunk_quotas(batches, len(order), window, group))


def _count(windows: Sequence[Ints], pairs: Pairs, budget: Budget) -> int:
    """Return the batches that hold all pairs of ``windows``, packed window by window."""
    return sum(passes.count_batches(window, pairs.sizes, budget) for window in windows)
