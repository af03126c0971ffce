"""Online logistic regression over rows of numbers: weights for all, and for each class its own.

Letters: P rows, F numbers in each (the constant counts as one), C classes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.compiling import compiled
from autoassist_fairseq.assistant.corpus.features import sample_pairs
from autoassist_fairseq.assistant.corpus.kernels import Array
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.corpus.vectors import Vectors
from autoassist_fairseq.assistant.trivial.learner import FIRST_SQUARE, Learner

Floats = NDArray[np.float32]

# Scaled numbers are clipped, so that no outlier rules.
WIDEST = np.float32(5)


class VectorModel(Learner):
    """g(x, c) = sigmoid((w + w_c) x): whether an image of class c looks like those learned.

    State: 8 bytes per number and class (a weight and its AdaGrad square, float32).

    Args:
        numbers: in each row.
        classes: C.
        lr: AdaGrad step size.
    """

    def __init__(self, numbers: int, classes: int, lr: float) -> None:
        self.lr = lr
        shape = (1 + classes, 1 + numbers)
        self.arrays = {
            "weights": np.zeros(shape, np.float32),
            "squares": np.full(shape, FIRST_SQUARE),
        }
        self._scaling: Floats | None = None

    def attach(self, corpus: Vectors) -> None:
        """Take the rows to score; the first ones also fix the scaling."""
        self.corpus = corpus
        if self._scaling is None:
            sample = corpus.values[sample_pairs(len(corpus))]
            mean, deviation = sample.mean(0, np.float64), sample.std(0, np.float64)
            # All numbers of a row together move the logit about as far as the constant does.
            share = 1 / math.sqrt(sample.shape[1])
            scale = share / np.where(deviation > 0, deviation, np.inf)
            self._scaling = np.stack([mean, scale]).astype(np.float32)

    def predict(self, pairs: Ints, extra: Floats | None = None) -> Floats:
        """Return P(not trivial) [P] for the rows ``pairs`` [P]."""
        return self._sweep(pairs, np.empty(0, np.float32), extra)

    def learn(self, pairs: Ints, labels: Floats, extra: Floats | None = None) -> Floats:
        """Learn ``labels`` [P] (1 = not trivial) in order; return the predictions before each."""
        return self._sweep(pairs, labels.astype(np.float32), extra)

    def _sweep(self, pairs: Ints, labels: Floats, extra: Floats | None) -> Floats:
        assert extra is None, "the feature `expected` is of sentences"
        assert self._scaling is not None, "attach a corpus first"
        out = np.empty(len(pairs), np.float32)
        rows, classes = self.corpus.values[pairs], self.corpus.classes[pairs]
        model = self.arrays["weights"], self.arrays["squares"]
        _sweep(rows, classes, self._scaling, model, np.float32(self.lr), labels, out)
        return out

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the weights, their AdaGrad squares and the scaling."""
        assert self._scaling is not None, "attach a corpus first"
        arrays = {name: array.copy() for name, array in self.arrays.items()}
        return {**arrays, "scaling": self._scaling.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        for name, array in self.arrays.items():
            array[...] = np.asarray(state[name])
        self._scaling = np.array(state["scaling"], np.float32)


@compiled
def _sweep(
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
