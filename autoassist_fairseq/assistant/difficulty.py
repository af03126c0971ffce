"""How hard a source sentence is, for a curriculum: its length, or how rare its words are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant import kernels
from autoassist_fairseq.assistant.features import Corpus
from autoassist_fairseq.assistant.token_store import Ints

BLOCK = 65_536


def difficulty(corpus: Corpus, pairs: Ints, kind: str) -> NDArray[np.float32]:
    """Return the difficulty [P] of the source sides of ``pairs`` [P].

    Args:
        corpus: the training set.
        pairs: ids.
        kind: ``length`` (tokens), or ``rarity`` (minus the log probability of the words, in nats).
    """
    lengths = corpus.source.sizes(pairs).astype(np.float32)
    if kind == "length":
        return lengths
    table = corpus.source_words.table()
    blocks = [pairs[begin : begin + BLOCK] for begin in range(0, len(pairs), BLOCK)]
    means = [corpus.source.describe(block, table)[:, kernels.MEAN_IDF] for block in blocks]
    rarity: NDArray[np.float32] = lengths * np.concatenate([*means, np.empty(0, np.float32)])
    return rarity
