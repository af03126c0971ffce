"""How hard a source sentence is, for a curriculum: its length, or how rare its words are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus import kernels
from autoassist_fairseq.assistant.corpus.features import Corpus
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies.rules import BLOCK


def difficulty(corpus: Corpus, pairs: Ints, kind: str) -> NDArray[np.float32]:
    """Return the difficulty [P] of the source sides of ``pairs`` [P].

    Args:
        corpus: the training set.
        pairs: ids.
        kind: ``length`` (tokens), or ``rarity`` (minus the log probability of the words, in nats).
    """
    table, out = corpus.source_words.table(), np.empty(len(pairs), np.float32)
    for begin in range(0, len(pairs), BLOCK):
        some = pairs[begin : begin + BLOCK]
        described, lengths = corpus.source.describe_and_size(some, table)
        rarity = described[:, kernels.MEAN_IDF] if kind == "rarity" else 1
        out[begin : begin + BLOCK] = lengths.astype(np.float32) * rarity
    return out
