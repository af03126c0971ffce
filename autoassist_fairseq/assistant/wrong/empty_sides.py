"""Pairs that have no word on one side: wrong without any reading, so no decoy stands for them."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import Corpus, sample_pairs
from autoassist_fairseq.assistant.corpus.token_store import Ints, TokenSide
from autoassist_fairseq.assistant.wrong.lexicon import words_of

# Where more pairs than this have an empty side, that is how the corpus is meant.
MOST = 0.5
# Pairs that this is estimated from at most.
SAMPLE = 100_000


class EmptySides:
    """Says which pairs of ``corpus`` have words on one side only."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def of(self, pairs: Ints) -> NDArray[np.bool_]:
        """Return which of ``pairs`` [P] are so; none, where most pairs of the corpus are."""
        return self._seen(pairs) & self._count

    @functools.cached_property
    def _count(self) -> bool:
        return float(self._seen(sample_pairs(len(self._corpus), SAMPLE)).mean()) <= MOST

    def _seen(self, pairs: Ints) -> NDArray[np.bool_]:
        source, target = self._corpus.source, self._corpus.target
        # What has more than one token has a word beside the end of the sentence
        rows = np.flatnonzero(np.minimum(source.sizes(pairs), target.sizes(pairs)) <= 1)
        found = np.zeros(len(pairs), np.bool_)
        found[rows] = _wordless(source, pairs[rows]) != _wordless(target, pairs[rows])
        return found


def _wordless(side: TokenSide, pairs: Ints) -> NDArray[np.bool_]:
    empty: NDArray[np.bool_] = np.diff(words_of(side.gather(pairs)).offsets) == 0
    return empty
