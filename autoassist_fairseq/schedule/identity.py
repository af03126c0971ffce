"""What a state of the Assistant belongs to, by digests: the training set and its dictionaries."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from autoassist_fairseq.assistant.corpus.features import Corpus, sample_pairs
from autoassist_fairseq.assistant.corpus.pair_ids import Ints
from autoassist_fairseq.schedule.folder import CORPUS

# Changes with whatever an older state cannot be gone on with: what is stored, random streams, the
# order of pairs.
FORMAT = 4


def identity(
    corpus: Corpus, left_out: Ints, sizes: Sequence[Ints], symbols: Sequence[Sequence[str]]
) -> dict[str, str]:
    """Return digests of what a state belongs to, by name.

    The training set's covers all lengths, the pairs that fit the model, and the tokens of up to
    65,536 pairs spread over it.

    Args:
        corpus: the training set.
        left_out: int32 ids of the pairs that do not fit the model, ascending.
        sizes: int32 source and target lengths [pairs], in tokens, as the model is given them.
        symbols: of the source and of the target dictionary.
    """
    sample = sample_pairs(len(corpus))
    tokens = [side.gather(sample).tokens for side in (corpus.source, corpus.target)]
    source, target = (np.frombuffer("\n".join(words).encode(), np.uint8) for words in symbols)
    return {
        CORPUS: _digest(*sizes, left_out, *tokens),
        "source dictionary": _digest(source),
        "target dictionary": _digest(target),
    }


def _digest(*arrays: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
