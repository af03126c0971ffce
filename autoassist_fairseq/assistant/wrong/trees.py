"""Boosted trees: tell decoys, taken as they are among real pairs, from real pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import Floats
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.exact import Doubles
from autoassist_fairseq.assistant.wrong import trees_kernels as kernels

TREES, RATE, RIDGE, BINS = 80, 0.2, 60.0, 48


@dataclass(frozen=True)
class Trees:
    """A sum of small trees.

    Attributes:
        columns: [R, DEPTH] what each question looks at.
        limits: [R, DEPTH] float32, above which the answer is yes.
        values: [R, LEAVES] what is added.
    """

    columns: NDArray[np.int64]
    limits: Floats
    values: Doubles

    @classmethod
    def fit(cls, rows: Floats, labels: Doubles, weights: Doubles, signs: Ints) -> Trees:
        """Learn ``labels`` [N] from evidence ``rows`` [N, F]; see `trees_kernels.grow`."""
        steps = np.arange(1, BINS) / BINS
        edges = np.quantile(rows, steps, axis=0, method="lower").astype(np.float32)
        bins = np.empty(rows.shape, np.uint8)
        for column in range(rows.shape[1]):
            bins[:, column] = np.searchsorted(edges[:, column], rows[:, column], side="left")
        columns = np.zeros((TREES, kernels.DEPTH), np.int64)
        cuts, values = np.zeros_like(columns), np.zeros((TREES, kernels.LEAVES))
        given = bins, labels, weights, signs, BINS, RATE, RIDGE
        kernels.grow(*given, columns, cuts, values)
        return cls(columns, edges[cuts, columns], values)

    def score(self, rows: Floats) -> Doubles:
        """Return the log-odds [N] of a label of 1 for evidence ``rows`` [N, F]."""
        out = np.empty(len(rows))
        kernels.score(rows, self.columns, self.limits, self.values, out)
        return out
