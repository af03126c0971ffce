"""What tells a pair that is no translation: numbers that cost a gather, a row for each pair."""

from __future__ import annotations

import numpy as np

from autoassist_fairseq.assistant import exact
from autoassist_fairseq.assistant.corpus.features import Floats
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.trivial.model_kernels import LOGS, LONGEST
from autoassist_fairseq.assistant.wrong import evidence_kernels as kernels
from autoassist_fairseq.assistant.wrong.evidence_kernels import (
    FIRST,
    GRID,
    MEAN,
    SECOND,
    UNEXPLAINED,
    WORTHS,
)
from autoassist_fairseq.assistant.wrong.lexicon import Lexicon, Sides, Way

# Columns: the worths of both ways, then these.
(
    LESSER,
    SOURCE_LENGTH,
    TARGET_LENGTH,
    LONGER,
    OVERLAP,
    SOURCE_COST,
    TARGET_COST,
    WEIGHTY,
    TARGET_LACKS,
    SOURCE_LACKS,
) = range(2 * WORTHS, 2 * WORTHS + 10)
EVIDENCE = 2 * WORTHS + 10


# Evidence that makes a pair likelier to be right as it rises (-1), or likelier to be wrong (1).
SIGNS = np.zeros(EVIDENCE, np.int64)
for _way in (0, WORTHS):
    SIGNS[[_way + MEAN, _way + FIRST, _way + SECOND]], SIGNS[_way + UNEXPLAINED] = -1, 1
SIGNS[[LESSER, WEIGHTY]] = -1

# Words at the same place of their sentences are each other's translations more often.
SLANT = 4.0
_APART = np.abs(np.subtract.outer(np.arange(4 * GRID), np.arange(4 * GRID))) / (4 * GRID)
_WEIGHTS = exact.exp(-SLANT * _APART.ravel()).reshape(_APART.shape)
_MEAN = _WEIGHTS.mean()
NEAR = (exact.exp(-SLANT * np.arange(GRID + 1) / GRID) / _MEAN).astype(np.float32)
AROUND = np.append(_WEIGHTS.mean(1)[2::4], _WEIGHTS.mean(1)[-1]) / _MEAN


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
        out[:, TARGET_LACKS] = lacks(lexicon.there, sides)
        out[:, SOURCE_LACKS] = lacks(lexicon.back, sides.turned())
        return out


def lacks(way: Way, sides: Sides) -> Floats:
    """Return the log [P] of how many words the target should have by its source, and has."""
    out = np.empty(len(sides), np.float32)
    kernels.mean(sides.source.tokens, sides.source.offsets, way.fertility, out)
    should = out * np.diff(sides.source.offsets)
    return (exact.log(should + 1) - exact.log(np.diff(sides.target.offsets) + 1)).astype(np.float32)


def worths(way: Way, sides: Sides) -> Floats:
    """Return what the source of ``sides`` is worth for its target, [P, WORTHS]."""
    out = np.empty((len(sides), WORTHS), np.float32)
    source, target = sides.source, sides.target
    given = source.tokens, source.offsets, target.tokens, target.offsets
    kernels.worths(
        *given, way.begins, way.words, way.lifts, way.rest, way.vocabulary, NEAR, AROUND, out
    )
    return out
