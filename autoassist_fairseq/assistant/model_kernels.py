"""Compiled loops of the logistic regression: dense features, logits, learning.

Letters: P pairs, F dense features, K tokens in all, V words of a dictionary, as in `kernels`.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from autoassist_fairseq.assistant.kernels import (
    BY_IDF,
    LEAST_IDF,
    MEAN_IDF,
    PLAIN,
    Array,
    compiled,
)

# (tokens, offsets, weights, squares, idf) of one side, as `learn` takes them.
Side: TypeAlias = tuple[Array, Array, Array, Array, Array]

# Scaled features are clipped, so that no outlier rules.
LOWEST, HIGHEST = np.float32(-5), np.float32(5)
# Logarithms of lengths, looked up instead of computed; longer sentences count as that long.
LONGEST = 65_535
LOGS = np.log(np.maximum(np.arange(LONGEST + 1), 1)).astype(np.float32)


@compiled
def _dense(
    source: Array, target: Array, lengths: tuple[int, int], scaling: Array, row: Array
) -> None:
    """Write the dense features [F] of one pair, scaled and clipped, in the order of `features`."""
    row[0] = 1
    row[1] = LOGS[min(lengths[0], LONGEST)]
    row[2] = LOGS[min(lengths[1], LONGEST)]
    row[3] = abs(row[2] - row[1])
    for k in range(3):
        row[4 + k] = source[MEAN_IDF + k]
        row[7 + k] = target[MEAN_IDF + k]
    for k in range(len(row)):
        row[k] = min(max((row[k] - scaling[0, k]) / scaling[1, k], LOWEST), HIGHEST)


@compiled
def dense(
    source: Array, target: Array, src_len: Array, tgt_len: Array, scaling: Array, out: Array
) -> None:
    """Write the dense features of some pairs.

    Args:
        source: [P, 5] what `describe` wrote of the source sides.
        target: [P, 5] the same of the target sides.
        src_len: [P] tokens.
        tgt_len: [P] tokens.
        scaling: [2, F] float32, means and standard deviations of the features; infinite = unused.
        out: [P, F] float32, written.
    """
    for i in range(len(out)):
        _dense(source[i], target[i], (src_len[i], tgt_len[i]), scaling, out[i])


@compiled
def logits(
    source: Array,
    target: Array,
    src_len: Array,
    tgt_len: Array,
    scaling: Array,
    weights: Array,
    use: Array,
    out: Array,
) -> None:
    """Write the logit [P] of every pair, in one sweep over what `describe` wrote.

    Args:
        source: as for `dense`, like the four that follow.
        target: see there.
        src_len: see there.
        tgt_len: see there.
        scaling: see there.
        weights: [F] of the dense features.
        use: [2] float32, which of the two token-level families are on.
        out: [P] float32, written.
    """
    row = np.empty(scaling.shape[1], np.float32)
    for i in range(len(out)):
        _dense(source[i], target[i], (src_len[i], tgt_len[i]), scaling, row)
        logit = use[0] * (source[i, PLAIN] + target[i, PLAIN])
        logit += use[1] * (source[i, BY_IDF] + target[i, BY_IDF])
        for k in range(len(row)):
            logit += weights[k] * row[k]
        out[i] = logit


@compiled
def _token_logit(side: Side, begin: int, end: int, use: Array) -> tuple[float, float]:
    """Return the token-level part of one side's logit, and the side's summed idf."""
    tokens, _, weights, _, idf = side
    plain = by_idf = sum_idf = np.float32(0)
    for j in range(begin, end):
        plain += weights[tokens[j], 0]
    if use[1]:
        for j in range(begin, end):
            word = tokens[j]
            by_idf += idf[word] * weights[word, 1]
            sum_idf += idf[word]
    sum_idf = max(sum_idf, LEAST_IDF)
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
