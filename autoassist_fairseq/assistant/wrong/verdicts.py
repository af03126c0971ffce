"""A verdict: one byte, what a pair would be if it were wrong, and how likely that is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant import exact
from autoassist_fairseq.assistant.corpus.features import Floats

Verdicts = NDArray[np.uint8]
# The four low bits: one of these log-odds; none is 0, so that a verdict never loses its side.
LEVELS = np.array(
    [-8, -6, -4.5, -3.5, -2.5, -1.5, -0.75, -0.25, 0.25, 0.75, 1.5, 2.5, 3.5, 4.5, 6, 8], np.float32
)
BITS = 4
# Not judged yet.
UNKNOWN = 255


def packed(kinds: NDArray[np.uint8], odds: Floats) -> Verdicts:
    """Return the verdicts [P] of pairs of ``kinds`` [P] with log-``odds`` [P]."""
    between = (LEVELS[1:] + LEVELS[:-1]) / 2
    level = np.searchsorted(between, odds, side="left")  # 0 is not wrong
    return ((kinds << BITS) | level.astype(np.uint8)).astype(np.uint8)


def log_odds(verdicts: Verdicts) -> Floats:
    """Return the log-odds [P] that the pairs with these ``verdicts`` [P] are wrong."""
    odds: Floats = LEVELS[verdicts & (len(LEVELS) - 1)]
    return odds


def posterior(verdicts: Verdicts) -> Floats:
    """Return the probability [P] that the pairs with these ``verdicts`` [P] are wrong."""
    chances: Floats = probability(LEVELS)[verdicts & (len(LEVELS) - 1)]
    return chances


def probability(odds: Floats) -> Floats:
    """Return the probabilities [P] with these log-``odds`` [P]."""
    return (1 / (1 + exact.exp(-odds))).astype(np.float32)


def kinds(verdicts: Verdicts) -> NDArray[np.uint8]:
    """Return what the pairs with these ``verdicts`` [P] are if wrong: places in `KINDS`."""
    return (verdicts >> BITS).astype(np.uint8)
