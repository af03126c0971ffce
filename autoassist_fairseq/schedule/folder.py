"""A data folder: what is trained on in the passes over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import Corpus
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.corpus.vectors import Vectors

Ints = NDArray[Any]

# Names the training set among what a state belongs to.
CORPUS = "training set"


@dataclass(frozen=True)
class Folder:
    """One of the folders of ``DATA``, as it is mapped into memory at the moment.

    What is remembered of its pairs outlives it: see `Planner.turn_to`.

    Attributes:
        corpus: the tokens, or the rows of numbers.
        ids: the pairs that fit the model.
        source_sizes, target_sizes: tokens of every pair id; 1 for what has no length.
        fits: digests, by name, of what a state of the Assistant belongs to.
    """

    corpus: Corpus | Vectors
    ids: PairIds
    source_sizes: Ints
    target_sizes: Ints
    fits: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, corpus: Vectors, fits: dict[str, str]) -> Folder:
        """Return the folder of all rows of ``corpus``, each of length 1."""
        ones = np.broadcast_to(np.int32(1), len(corpus))
        return cls(corpus, PairIds(len(corpus)), ones, ones, fits)

    @property
    def name(self) -> str:
        """What tells it from other folders, wherever it lies."""
        return self.fits.get(CORPUS, "")

    def sizes(self, ids: Ints) -> tuple[Ints, Ints]:
        """Return source and target lengths [P] of ``ids``."""
        return self.source_sizes[ids], self.target_sizes[ids]

    @cached_property
    def target_tokens(self) -> int:
        """Target tokens of all pairs to train on."""
        blocks = self.ids.blocks()
        return sum(int(self.target_sizes[ids].sum(dtype=np.int64)) for ids in blocks)
