"""The loss to expect on a pair from what the Boss loses on its target words, as a rule."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant import kernels
from autoassist_fairseq.assistant.features import Corpus, Floats
from autoassist_fairseq.assistant.token_store import Ints

# Updates after which a loss has faded to 1/e of its weight.
HORIZON = 300
# A word of which less has been seen leans on words that are about as frequent (in occurrences).
PRIOR = 2.0
# Words are grouped by the logarithm (to base 2) of their frequency, for that.
GROUPS = 40


class WordLosses:
    """Exponentially decayed mean NLL of the Boss on every target word.

    State: 16 bytes per word of the target dictionary.

    Args:
        corpus: tells the target words, how frequent they are, and the pairs' tokens.
    """

    def __init__(self, corpus: Corpus) -> None:
        idf = corpus.target_words.idf
        self._group = np.clip(idf / np.float32(math.log(2)), 0, GROUPS - 1).astype(np.int64)
        self._sums = np.zeros((len(idf), 2))
        self._means: Floats | None = None
        self.attach(corpus)

    def attach(self, corpus: Corpus) -> None:
        """Expect the losses of pairs of ``corpus`` from now on."""
        self._corpus = corpus

    @property
    def means(self) -> Floats:
        """[V] nats: the loss to expect on each word; NaN before anything is known."""
        if self._means is None:
            groups = np.zeros((GROUPS, 2))
            np.add.at(groups, self._group, self._sums)
            total = _quotient(groups.sum(0), math.nan)
            prior = _quotient(groups, total)[self._group]
            losses, seen = self._sums.T
            self._means = ((losses + PRIOR * prior) / (seen + PRIOR)).astype(np.float32)
        return self._means

    def expected(self, pairs: Ints) -> Floats:
        """Return the expected losses [P] of ``pairs`` [P], nats per target token; NaN = unknown."""
        target = self._corpus.target.gather(pairs)
        out = np.empty(len(pairs), np.float32)
        kernels.average(target.tokens, target.offsets, self.means, out)
        return out

    def learn(self, pairs: Ints, losses: Floats, words: NDArray[np.float64] | None) -> None:
        """Add one update: ``words`` [V, 2] hold each word's summed NLL in nats, and occurrences.

        None where they never came: the past fades all the same.
        """
        self._sums *= math.exp(-1 / HORIZON)
        if words is not None:
            self._sums += words
        self._means = None

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain arrays."""
        return {"word_sums": self._sums.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; another base's sums are of no use."""
        if "word_sums" in state:
            self._sums[...] = np.asarray(state["word_sums"])
            self._means = None


def _quotient(sums: NDArray[Any], otherwise: Any) -> NDArray[Any]:
    """Return losses / occurrences of ``sums`` [..., 2]; ``otherwise`` where there are none."""
    losses, seen = sums[..., 0], sums[..., 1]
    quotient: NDArray[Any] = np.where(seen > 1e-9, losses / np.maximum(seen, 1e-9), otherwise)
    return quotient
