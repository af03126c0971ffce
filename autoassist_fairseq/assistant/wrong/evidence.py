"""What tells a pair that is no translation: numbers that cost a gather, a row for each pair."""

from __future__ import annotations

import numpy as np

from autoassist_fairseq.assistant.corpus.features import Floats
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.trivial.model_kernels import LOGS, LONGEST
from autoassist_fairseq.assistant.wrong import evidence_kernels as kernels
from autoassist_fairseq.assistant.wrong.evidence_kernels import MEAN, WORTHS
from autoassist_fairseq.assistant.wrong.lexicon import Lexicon, Sides, Way

# Columns: the worths of both ways, then these.
LESSER, SOURCE_LENGTH, TARGET_LENGTH, LONGER, OVERLAP, SOURCE_COST, TARGET_COST, WEIGHTY = range(
    2 * WORTHS, 2 * WORTHS + 8
)
EVIDENCE = 2 * WORTHS + 8


class Evidence:
    """Measures pairs.

    Args:
        costs: [V] and [V'] float32, of the words of both sides, nats.
        alike: [V'] the source word that is spelled like each target word, -1: none; None: unknown.
    """

    def __init__(self, costs: tuple[Floats, Floats], alike: Ints | None) -> None:
        self._costs = costs
        self._alike = np.full(len(costs[1]), -1, np.int64) if alike is None else alike

    def of(self, sides: Sides, lexicon: Lexicon) -> Floats:
        """Return the evidence [P, EVIDENCE] on ``sides``."""
        out = np.empty((len(sides), EVIDENCE), np.float32)
        out[:, :WORTHS] = worths(lexicon.there, sides)
        out[:, WORTHS : 2 * WORTHS] = worths(lexicon.back, sides.turned())
        source, target = sides.source, sides.target
        sizes = [np.diff(side.offsets) for side in (source, target)]
        lesser = np.minimum(out[:, MEAN], out[:, WORTHS + MEAN])
        out[:, LESSER] = lesser
        out[:, SOURCE_LENGTH], out[:, TARGET_LENGTH] = (LOGS[np.minimum(s, LONGEST)] for s in sizes)
        out[:, LONGER] = out[:, TARGET_LENGTH] - out[:, SOURCE_LENGTH]
        out[:, WEIGHTY] = lesser * np.sqrt(np.minimum(*sizes))
        kernels.overlap(
            source.tokens,
            source.offsets,
            target.tokens,
            target.offsets,
            self._alike,
            len(self._costs[0]),
            out[:, OVERLAP],
        )
        columns = SOURCE_COST, TARGET_COST
        for column, side, costs in zip(columns, (source, target), self._costs, strict=True):
            kernels.mean(side.tokens, side.offsets, costs, out[:, column])
        return out


def worths(way: Way, sides: Sides) -> Floats:
    """Return what the source of ``sides`` is worth for its target, [P, WORTHS]."""
    out = np.empty((len(sides), WORTHS), np.float32)
    source, target = sides.source, sides.target
    given = source.tokens, source.offsets, target.tokens, target.offsets
    kernels.worths(*given, way.begins, way.words, way.lifts, way.rest, way.vocabulary, out)
    return out
