"""Compiled loops of the second model: logistic regression by Newton's method, without BLAS."""

from __future__ import annotations

import math

import numpy as np

from autoassist_fairseq.assistant.compiling import compiled
from autoassist_fairseq.assistant.corpus.kernels import Array


@compiled
def fit(rows: Array, labels: Array, ridge: float, steps: int) -> Array:
    """Return the weights [F] of a logistic regression of ``labels`` [N] on ``rows`` [N, F].

    ``ridge`` times the square of every weight is added to the mean loss.
    """
    count, columns = rows.shape
    weights = np.zeros(columns)
    for _ in range(steps):
        slope, bend = np.zeros(columns), np.zeros((columns, columns))
        for n in range(count):
            score = 0.0
            for f in range(columns):
                score += weights[f] * rows[n, f]
            chance = 1 / (1 + math.exp(-score))
            apart, heavy = labels[n] - chance, max(chance * (1 - chance), 1e-6)
            for f in range(columns):
                slope[f] += apart * rows[n, f]
                for g in range(f + 1):
                    bend[f, g] += heavy * rows[n, f] * rows[n, g]
        for f in range(columns):
            slope[f] = slope[f] / count - ridge * weights[f]
            for g in range(f + 1):
                bend[f, g] /= count
                bend[g, f] = bend[f, g]
            bend[f, f] += ridge
        weights += solve(bend, slope)
    return weights


@compiled
def solve(matrix: Array, values: Array) -> Array:
    """Return x with ``matrix`` [F, F] x = ``values`` [F]; the matrix, positive, is lost."""
    size = len(values)
    for f in range(size):
        for g in range(f + 1, size):
            factor = matrix[g, f] / matrix[f, f]
            values[g] -= factor * values[f]
            for h in range(f, size):
                matrix[g, h] -= factor * matrix[f, h]
    out = np.zeros(size)
    for f in range(size - 1, -1, -1):
        rest = values[f]
        for g in range(f + 1, size):
            rest -= matrix[f, g] * out[g]
        out[f] = rest / matrix[f, f]
    return out


@compiled
def score(rows: Array, weights: Array, out: Array) -> None:
    """Write the product of ``rows`` [N, F] and ``weights`` [F] to ``out`` [N]."""
    for n in range(len(rows)):
        total = 0.0
        for f in range(len(weights)):
            total += weights[f] * rows[n, f]
        out[n] = total


@compiled
def pool(heights: Array, weights: Array) -> None:
    """Replace ``heights`` [B] by the nearest that never fall (pooled neighbours), each so heavy."""
    means, heavy, sizes = heights.copy(), weights.copy(), np.ones(len(heights), np.int64)
    top = -1
    for b in range(len(heights)):
        top += 1
        means[top], heavy[top], sizes[top] = heights[b], weights[b], 1
        while top > 0 and means[top - 1] >= means[top]:
            both = heavy[top - 1] + heavy[top]
            means[top - 1] = (means[top - 1] * heavy[top - 1] + means[top] * heavy[top]) / both
            heavy[top - 1] = both
            sizes[top - 1] += sizes[top]
            top -= 1
    to = 0
    for block in range(top + 1):
        for _ in range(sizes[block]):
            heights[to] = means[block]
            to += 1
