"""Compiled loop of the logistic regression over rows of numbers.

Letters: P rows, F numbers in each (the constant counts as one), C classes.
"""

from __future__ import annotations

import math

import numpy as np

from autoassist_fairseq.assistant.compiling import compiled
from autoassist_fairseq.assistant.corpus.kernels import Array

# Scaled numbers are clipped, so that no outlier rules.
WIDEST = np.float32(5)


@compiled
def sweep(
    rows: Array,
    classes: Array,
    scaling: Array,
    model: tuple[Array, Array],
    lr: float,
    labels: Array,
    out: Array,
) -> None:
    """Predict one row after the other, and learn it if it has a label (logistic loss, AdaGrad).

    Args:
        rows: [P, F - 1] numbers.
        classes: [P].
        scaling: [2, F - 1] means, and what differences from them are multiplied by.
        model: (weights, squares) [1 + C, F] each, for all rows and for those of each class; changed
            in place.
        lr: step size.
        labels: [P], 1 = not trivial; [0] to predict only.
        out: [P] float32, written: P(not trivial) before the row was learned.
    """
    weights, squares = model
    x = np.empty(weights.shape[1], np.float32)
    x[0] = 1
    widest = WIDEST / np.float32(math.sqrt(max(rows.shape[1], 1)))
    for i in range(len(rows)):
        own = 1 + classes[i]
        for f in range(rows.shape[1]):
            scaled = (np.float32(rows[i, f]) - scaling[0, f]) * scaling[1, f]
            x[1 + f] = min(max(scaled, -widest), widest)
        logit = np.float32(0)
        for f in range(len(x)):
            logit += (weights[0, f] + weights[own, f]) * x[f]
        out[i] = 1 / (1 + math.exp(-np.float64(logit)))
        if len(labels) == 0:
            continue
        error = np.float32(out[i] - labels[i])
        for f in range(len(x)):
            gradient = error * x[f]
            if gradient != 0:
                for row in (0, own):
                    squares[row, f] += gradient * gradient
                    weights[row, f] -= lr * gradient / np.float32(math.sqrt(squares[row, f]))
