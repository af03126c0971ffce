"""Online logistic regression over rows of numbers: weights for all, and for each class its own.

Letters: P rows, F numbers in each (the constant counts as one), C classes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import sample_pairs
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.corpus.vectors import Vectors
from autoassist_fairseq.assistant.trivial.learner import FIRST_SQUARE, Learner
from autoassist_fairseq.assistant.trivial.vector_kernels import sweep

Floats = NDArray[np.float32]


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
        sweep(rows, classes, self._scaling, model, np.float32(self.lr), labels, out)
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
