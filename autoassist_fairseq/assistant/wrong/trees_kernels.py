"""Compiled loops of boosted trees: three yes-or-no questions each, the same in all branches.

Letters: N rows, F columns of evidence, B bins of a column, R trees; a tree has `LEAVES` values.
"""

from __future__ import annotations

import math

import numpy as np

from autoassist_fairseq.assistant.compiling import compiled
from autoassist_fairseq.assistant.corpus.kernels import Array

DEPTH = 3
LEAVES = 1 << DEPTH


@compiled
def grow(
    rows: Array,
    labels: Array,
    weights: Array,
    signs: Array,
    bins: int,
    rate: float,
    ridge: float,
    columns: Array,
    cuts: Array,
    values: Array,
) -> None:
    """Grow trees one after the other, each on what is left of the logistic loss (Friedman 2001).

    Args:
        rows: [N, F] uint8, the bin of each piece of evidence.
        labels: [N] 1 or 0.
        weights: [N] float64.
        signs: [F] 1 or -1 where a label of 1 may only become likelier, or less so, as the evidence
            rises; else 0.
        bins: B.
        rate: what is taken of a tree, in (0, 1].
        ridge: weight of no change, in rows.
        columns: [R, DEPTH] int64, written: what each question looks at.
        cuts: [R, DEPTH] int64, written: the answer is yes for larger bins.
        values: [R, LEAVES] float64, written.
    """
    count = len(rows)
    scores, leaf = np.zeros(count), np.zeros(count, np.int64)
    slope, bend = np.empty(count), np.empty(count)
    for tree in range(len(columns)):
        for n in range(count):
            chance = 1 / (1 + math.exp(-scores[n]))
            slope[n] = weights[n] * (labels[n] - chance)
            bend[n] = weights[n] * chance * (1 - chance)
        leaf[:] = 0
        for level in range(DEPTH):
            sums = _sums(rows, slope, bend, leaf, 1 << level, bins)
            column, cut = _best(sums, signs, ridge)
            columns[tree, level], cuts[tree, level] = column, cut
            for n in range(count):
                leaf[n] += (rows[n, column] > cut) << level
        _weigh(slope, bend, leaf, rate, ridge, values[tree])
        for level in range(DEPTH):  # those of the last level could undo those of the first
            _in_order(values[tree], level, signs[columns[tree, level]])
        for n in range(count):
            scores[n] += values[tree, leaf[n]]


@compiled
def _sums(rows: Array, slope: Array, bend: Array, leaf: Array, leaves: int, bins: int) -> Array:
    """Return slope and bend, summed by leaf, column and bin, [L, F, B, 2]."""
    sums = np.zeros((leaves, rows.shape[1], bins, 2))
    for n in range(len(rows)):
        here = sums[leaf[n]]
        for f in range(rows.shape[1]):
            here[f, rows[n, f], 0] += slope[n]
            here[f, rows[n, f], 1] += bend[n]
    return sums


@compiled
def _best(sums: Array, signs: Array, ridge: float) -> tuple[int, int]:
    """Return the column and the bin after which to cut all leaves."""
    best, column, cut = -1.0, 0, 0
    leaves, columns, bins, _ = sums.shape
    for f in range(columns):
        gains = np.zeros(bins)
        for one in range(leaves):
            all_slope, all_bend = sums[one, f, :, 0].sum(), sums[one, f, :, 1].sum()
            plain = all_slope**2 / (all_bend + ridge)
            low_slope = low_bend = 0.0
            for b in range(bins - 1):
                low_slope += sums[one, f, b, 0]
                low_bend += sums[one, f, b, 1]
                low = low_slope / (low_bend + ridge)
                high = (all_slope - low_slope) / (all_bend - low_bend + ridge)
                if (high - low) * signs[f] >= 0:
                    gains[b] += low * low_slope + high * (all_slope - low_slope) - plain
        for b in range(bins - 1):
            if gains[b] > best:
                best, column, cut = gains[b], f, b
    return column, cut


@compiled
def _weigh(
    slope: Array, bend: Array, leaf: Array, rate: float, ridge: float, values: Array
) -> None:
    """Write the value of each leaf."""
    sums = np.zeros((LEAVES, 2))
    for n in range(len(leaf)):
        sums[leaf[n], 0] += slope[n]
        sums[leaf[n], 1] += bend[n]
    for one in range(LEAVES):
        values[one] = rate * sums[one, 0] / (sums[one, 1] + ridge)


@compiled
def _in_order(values: Array, level: int, sign: int) -> None:
    """Make leaves that differ in one answer alike where they stand in the wrong order."""
    for low in range(LEAVES):
        high = low | (1 << level)
        if low != high and (values[high] - values[low]) * sign < 0:
            values[low] = values[high] = (values[low] + values[high]) / 2


@compiled
def score(rows: Array, columns: Array, limits: Array, values: Array, out: Array) -> None:
    """Write what the trees say of ``rows`` [N, F] float32 to ``out`` [N] float64.

    ``limits`` [R, DEPTH] float32 are what evidence is compared with, in place of bins.
    """
    for n in range(len(rows)):
        total = 0.0
        for tree in range(len(columns)):
            leaf = 0
            for level in range(DEPTH):
                yes = rows[n, columns[tree, level]] > limits[tree, level]
                leaf += yes << level
            total += values[tree, leaf]
        out[n] = total
