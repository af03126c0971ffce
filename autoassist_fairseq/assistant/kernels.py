"""Compiled loops over ragged token arrays; all release the GIL, so the Boss never waits for them.

Letters: P pairs, K tokens in all, V words of a dictionary. A *ragged* side is ``tokens`` [K] int32
with ``offsets`` [P + 1]: pair i holds ``tokens[offsets[i]:offsets[i + 1]]``.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

compiled = numba.njit(nogil=True, cache=True)

Array: TypeAlias = NDArray[Any]
# (tokens, offsets, weights, squares, idf) of one side, as `learn` takes them.
Side: TypeAlias = tuple[Array, Array, Array, Array, Array]

# Columns of what `describe` returns for each pair and side.
PLAIN, BY_IDF, SUM_IDF, MAX_IDF, RARE = range(5)
DESCRIBED = 5


@compiled
def gather(
    stored: Array, starts: Array, lengths: Array, rows: Array, out: Array, out_offsets: Array
) -> tuple[int, int]:
    """Copy the token spans of some pairs into ``out``; return the smallest and largest id seen.

    Args:
        stored: [any] the corpus's tokens, of any integer type (often a memory map).
        starts: [P] first element of each span in ``stored``.
        lengths: [P] elements of each span.
        rows: [P] position of each span among the pairs of ``out``.
        out: [K] int32, written.
        out_offsets: [P' + 1] where each pair begins in ``out``.
    """
    low, high = np.int64(0), np.int64(-1)
    for i in range(len(starts)):
        start, to = starts[i], out_offsets[rows[i]]
        for j in range(lengths[i]):
            token = np.int64(stored[start + j])
            low, high = min(low, token), max(high, token)
            out[to + j] = token
    return low, high


@compiled
def describe(
    tokens: Array, offsets: Array, weights: Array, idf: Array, rare_idf: float, out: Array
) -> None:
    """Sum per-word quantities over each pair.

    Args:
        tokens: [K] int32 word ids.
        offsets: [P + 1].
        weights: [V, 2] float32, the word weights of the plain and of the idf-weighted average.
        idf: [V] float32, in nats, > 0.
        rare_idf: words with a larger idf count as rare.
        out: [P, 5] float32, written: mean weight, idf-weighted mean weight, mean idf, largest idf,
            share of rare words.
    """
    for i in range(len(offsets) - 1):
        begin, end = offsets[i], offsets[i + 1]
        plain = by_idf = sum_idf = max_idf = np.float32(0)
        rare = 0
        for j in range(begin, end):
            word = tokens[j]
            value = idf[word]
            plain += weights[word, 0]
            by_idf += value * weights[word, 1]
            sum_idf += value
            max_idf = max(max_idf, value)
            rare += value > rare_idf
        share = np.float32(1) / np.float32(max(end - begin, 1))
        out[i, PLAIN] = plain * share
        out[i, BY_IDF] = by_idf / max(sum_idf, np.float32(1e-6))
        out[i, SUM_IDF] = sum_idf * share
        out[i, MAX_IDF] = max_idf
        out[i, RARE] = rare * share


@compiled
def _token_logit(side: Side, begin: int, end: int, use: Array) -> tuple[float, float]:
    """Return the token-level part of one side's logit, and the side's summed idf."""
    tokens, _, weights, _, idf = side
    plain = by_idf = sum_idf = np.float32(0)
    for j in range(begin, end):
        word = tokens[j]
        plain += weights[word, 0]
        by_idf += idf[word] * weights[word, 1]
        sum_idf += idf[word]
    sum_idf = max(sum_idf, np.float32(1e-6))
    return use[0] * plain / max(end - begin, 1) + use[1] * by_idf / sum_idf, sum_idf


@compiled
def _token_step(
    side: Side, begin: int, end: int, sum_idf: float, use: Array, error: float, lr: float
) -> None:
    """Take one AdaGrad step on the word weights of one side of one pair."""
    tokens, _, weights, squares, idf = side
    plain = error / np.float32(max(end - begin, 1))
    for j in range(begin, end):
        word = tokens[j]
        if use[0]:
            squares[word, 0] += plain * plain
            weights[word, 0] -= lr * plain / math.sqrt(squares[word, 0])
        if use[1]:
            gradient = error * idf[word] / sum_idf
            squares[word, 1] += gradient * gradient
            weights[word, 1] -= lr * gradient / math.sqrt(squares[word, 1])


@compiled
def learn(
    src: Side,
    tgt: Side,
    dense: Array,
    labels: Array,
    use: Array,
    model: tuple[Array, Array],
    lr: float,
    out: Array,
) -> None:
    """Predict, then learn, one pair after the other (logistic loss, AdaGrad).

    Args:
        src: the source side; its weights and squares [V, 2] are changed in place.
        tgt: the target side, likewise.
        dense: [P, F] float32 standardised features, the first one a constant 1.
        labels: [P] float32, 1 = not trivial.
        use: [2] float32, which of the two token-level families are on.
        model: (weights [F], squares [F]) of the dense features, changed in place.
        lr: step size.
        out: [P] float32, written: P(not trivial) *before* the pair was learned.
    """
    step = np.float32(lr)
    dense_weights, dense_squares = model
    for i in range(len(labels)):
        s0, s1, t0, t1 = src[1][i], src[1][i + 1], tgt[1][i], tgt[1][i + 1]
        logit, src_idf = _token_logit(src, s0, s1, use)
        tgt_logit, tgt_idf = _token_logit(tgt, t0, t1, use)
        logit += tgt_logit
        for f in range(dense.shape[1]):
            logit += dense_weights[f] * dense[i, f]
        out[i] = 1 / (1 + math.exp(-logit))
        error = np.float32(out[i] - labels[i])
        for f in range(dense.shape[1]):
            gradient = error * dense[i, f]
            dense_squares[f] += gradient * gradient
            if gradient != 0:
                dense_weights[f] -= step * gradient / math.sqrt(dense_squares[f])
        if error != 0:
            _token_step(src, s0, s1, src_idf, use, error, step)
            _token_step(tgt, t0, t1, tgt_idf, use, error, step)
