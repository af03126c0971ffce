"""What the Assistant asks of its model, whatever that looks at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.token_store import Ints

Floats = NDArray[np.float32]

# AdaGrad's squares start above zero, so that the first step is finite.
FIRST_SQUARE = np.float32(1e-8)


class Learner(ABC):
    """g(x) = P(not trivial), learned online.

    Attributes:
        arrays: weights and AdaGrad squares, by name.
        corpus: what is scored.
    """

    arrays: dict[str, Floats]
    corpus: Any

    @abstractmethod
    def attach(self, corpus: Any) -> None:
        """Take the corpus to score; the first one also fixes the scaling of the features."""

    @abstractmethod
    def predict(self, pairs: Ints, extra: Floats | None = None) -> Floats:
        """Return P(not trivial) [P] for ``pairs`` [P].

        ``extra`` [P] is the feature ``expected`` of each pair, if that is used.
        """

    @abstractmethod
    def learn(self, pairs: Ints, labels: Floats, extra: Floats | None = None) -> Floats:
        """Learn ``labels`` [P] (1 = not trivial) of ``pairs`` in order; return the predictions.

        Each prediction was made before its own label was seen (prequential). ``extra`` [P] is the
        feature ``expected`` of each pair, if that is used.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain types and arrays."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
