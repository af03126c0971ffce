"""Compiled loops of the logistic regression: dense features, logits, learning.

Letters: P pairs, F dense features, K tokens in all, V words of a dictionary, as in `kernels`.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from autoassist_fairseq.assistant import exact
from autoassist_fairseq.assistant.compiling import compiled
from autoassist_fairseq.assistant.corpus.kernels import MEAN_IDF, MEAN_WEIGHT, Array

# (tokens, offsets, weights, squares) of one side, as `learn` takes them.
Side: TypeAlias = tuple[Array, Array, Array, Array]

# Scaled features are clipped, so that no outlier rules.
LOWEST, HIGHEST = np.float32(-5), np.float32(5)
# Logarithms of lengths, looked up instead of computed; longer sentences count as that long.
LONGEST = 65_535
LOGS = exact.log(np.maximum(np.arange(LONGEST + 1), 1)).astype(np.float32)


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
        source: [P, 4] what `describe` wrote of the source sides.
        target: [P, 4] the same of the target sides.
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
    use: bool,
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
        use: whether the weights of words count.
        out: [P] float32, written.
    """
    row = np.empty(scaling.shape[1], np.float32)
    for i in range(len(out)):
        _dense(source[i], target[i], (src_len[i], tgt_len[i]), scaling, row)
        logit = source[i, MEAN_WEIGHT] + target[i, MEAN_WEIGHT] if use else np.float32(0)
        for k in range(len(row)):
            logit += weights[k] * row[k]
        out[i] = logit


@compiled
def sigmoid(logits: Array, out: Array) -> None:
    """Write 1 / (1 + exp(-x)) for every x of ``logits`` [P] into ``out`` [P]."""
    for i in range(len(logits)):
        out[i] = 1 / (1 + math.exp(-logits[i]))


@compiled
def _token_logit(side: Side, begin: int, end: int) -> Any:
    """Return the token-level part of one side's logit."""
    tokens, _, weights, _ = side
    total = np.float32(0)
    for j in range(begin, end):
        total += weights[tokens[j]]
    return total / max(end - begin, 1)


@compiled
def _token_step(side: Side, begin: int, end: int, error: float, lr: float) -> None:
    """Take one AdaGrad step on the word weights of one side of one pair."""
    tokens, _, weights, squares = side
    gradient = error / np.float32(max(end - begin, 1))
    for j in range(begin, end):
        word = tokens[j]
        squares[word] += gradient * gradient
        weights[word] -= lr * gradient / math.sqrt(squares[word])


@compiled
def learn(
    src: Side,
    tgt: Side,
    dense: Array,
    labels: Array,
    use: bool,
    model: tuple[Array, Array],
    lr: float,
    out: Array,
) -> None:
    """Predict, then learn, one pair after the other (logistic loss, AdaGrad).

    Args:
        src: the source side; its weights and squares [V] are changed in place.
        tgt: the target side, likewise.
        dense: [P, F] float32 standardised features, the first one a constant 1.
        labels: [P] float32, 1 = not trivial.
        use: whether the weights of words count.
        model: (weights [F], squares [F]) of the dense features, changed in place.
        lr: step size.
        out: [P] float32, written: P(not trivial) *before* the pair was learned.
    """
    step = np.float32(lr)
    dense_weights, dense_squares = model
    for i in range(len(labels)):
        s0, s1, t0, t1 = src[1][i], src[1][i + 1], tgt[1][i], tgt[1][i + 1]
        logit = 0.0
        if use:
            logit += _token_logit(src, s0, s1) + _token_logit(tgt, t0, t1)
        for f in range(dense.shape[1]):
            logit += dense_weights[f] * dense[i, f]
        out[i] = 1 / (1 + math.exp(-logit))
        error = np.float32(out[i] - labels[i])
        for f in range(dense.shape[1]):
            gradient = error * dense[i, f]
            dense_squares[f] += gradient * gradient
            if gradient != 0:
                dense_weights[f] -= step * gradient / math.sqrt(dense_squares[f])
        if use and error != 0:
            _token_step(src, s0, s1, error, step)
            _token_step(tgt, t0, t1, error, step)
