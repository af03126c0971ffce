"""The Assistant: what it believes about a pair, what it learns from the Boss's losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import Corpus, Floats
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.corpus.vectors import Vectors
from autoassist_fairseq.assistant.policies import rules
from autoassist_fairseq.assistant.trivial.learner import Learner
from autoassist_fairseq.assistant.trivial.model import Model
from autoassist_fairseq.assistant.trivial.model_kernels import HIGHEST, LOWEST
from autoassist_fairseq.assistant.trivial.threshold import Confidence, Threshold
from autoassist_fairseq.assistant.trivial.vector_model import VectorModel
from autoassist_fairseq.assistant.wrong.bigrams import Bigrams
from autoassist_fairseq.settings import Settings


@dataclass(frozen=True)
class Lesson:
    """What was learned since the last plan, for the log: sums over pairs."""

    pairs: int = 0
    correct: int = 0
    trivial: int = 0

    @property
    def accuracy(self) -> float:
        """Prequential accuracy in [0, 1]; 0 when nothing was learned."""
        return self.correct / max(self.pairs, 1)

    @property
    def majority(self) -> float:
        """Accuracy of always guessing the label that most of these pairs have; 0 when none."""
        return max(self.trivial, self.pairs - self.trivial) / max(self.pairs, 1)

    def __add__(self, other: Lesson) -> Lesson:
        return Lesson(*(mine + its for mine, its in zip(self.sums, other.sums, strict=True)))

    @property
    def sums(self) -> tuple[int, int, int]:
        """The fields, in order."""
        return (self.pairs, self.correct, self.trivial)


class Assistant:
    """Keep probabilities from features, learned online from losses.

    Args:
        corpus: the training set, of sentence pairs or of rows of numbers; `attach` changes it
            (sharded data).
        settings: base probability, features, learning rate.
        horizon: pairs that the threshold looks back on.
    """

    def __init__(self, corpus: Corpus | Vectors, settings: Settings, horizon: float) -> None:
        self.settings = settings
        self.model = learner_of(corpus, settings)
        self.threshold = Threshold(horizon)
        self.confidence = Confidence()
        self.expectation: Bigrams | None = None
        if settings.expects:
            assert isinstance(corpus, Corpus), "losses are expected of sentences only"
            self.expectation = Bigrams(corpus)
        self.attach(corpus)

    def attach(self, corpus: Corpus | Vectors) -> None:
        """Score and learn the pairs of ``corpus`` from now on."""
        self.model.attach(corpus)
        if self.expectation and isinstance(corpus, Corpus):
            self.expectation.attach(corpus)

    @property
    def safeguard(self) -> float:
        """s, the safeguard rate, in [base_prob, 1]."""
        return rules.safeguard_rate(self.settings.base_prob, self.confidence.value)

    def keep_probability(self, pairs: Ints) -> NDArray[np.float32]:
        """Return P(keep) [P] in (0, 1] for ``pairs`` [P], by the paper's shrinking rule."""
        return rules.shrink(self.not_trivial(pairs), self.safeguard)

    def not_trivial(self, pairs: Ints) -> NDArray[np.float32]:
        """Return g [P] in (0, 1): the chance that each of ``pairs`` [P] is not trivial."""
        used = "expected" in self.settings.features
        extra = self._extra(self.expected(pairs)) if used else None
        return self.model.predict(pairs, extra)

    def expected(self, pairs: Ints) -> Floats | None:
        """Return the losses [P] to be expected on ``pairs`` [P], nats per target token.

        NaN where that is not known yet; None if nobody asks for them.
        """
        return self.expectation.expected(pairs) if self.expectation else None

    def _extra(self, expected: Floats | None) -> Floats | None:
        """Return the feature ``expected`` [P]: nats that expected losses are above T, clipped.

        0 where that is not known yet; None if it is not used.
        """
        if expected is None or "expected" not in self.settings.features:
            return None
        extra: Floats = np.nan_to_num(expected - np.float32(self.threshold.value))
        return np.clip(extra, LOWEST, HIGHEST)

    def learn(
        self, pairs: Ints, losses: NDArray[np.float32], expected: Floats | None = None
    ) -> Lesson:
        """Learn from the losses [P] (nats per target token) of one update.

        Losses that are missing (negative) or not finite are passed over. ``expected`` [P] is what
        `expected` returns.
        """
        known = np.isfinite(losses) & (losses >= 0)
        pairs, losses = pairs[known], losses[known]
        extra = self._extra(None if expected is None else expected[known])
        if len(pairs) == 0:
            return Lesson()
        # The very first losses have no past to compare with: they are judged by their own mean.
        past = self.threshold.value
        labels = losses > (losses.mean() if np.isnan(past) else past)
        guess = self.model.learn(pairs, labels.astype(np.float32), extra) > 0.5
        correct = int((guess == labels).sum())
        self.confidence.add(correct / len(pairs))
        self.threshold.add(losses)
        return Lesson(len(pairs), correct, int((~labels).sum()))

    def adjust(self, pairs: Ints, losses: Floats) -> None:
        """Adjust what is to be expected to the losses [P] of one update."""
        if self.expectation:
            known = np.isfinite(losses) & (losses >= 0)
            self.expectation.learn(pairs[known], losses[known])

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain types and arrays."""
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "threshold": self.threshold.state_dict(),
            "confidence": self.confidence.value,
        }
        if self.expectation:
            state["expectation"] = self.expectation.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.model.load_state_dict(state["model"])
        self.threshold.load_state_dict(state["threshold"])
        self.confidence.value = float(state["confidence"])
        if self.expectation and "expectation" in state:
            self.expectation.load_state_dict(state["expectation"])


def learner_of(corpus: Corpus | Vectors, settings: Settings) -> Learner:
    """Return the model that fits what ``corpus`` is made of."""
    if isinstance(corpus, Vectors):
        return VectorModel(corpus.values.shape[1], corpus.count, settings.lr)
    words = corpus.source.words, corpus.target.words
    return Model(*words, settings.features, settings.lr)
