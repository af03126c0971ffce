"""The loss to expect on a pair from its target side alone: a bigram model, fitted to the Boss.

What the Boss loses on a target that has nothing to do with its source is what a language model
would lose on it. So the base that tells such pairs best is a language model: counted once, on the
CPU, from the target side (each pair as if it had not been counted itself), and brought to the
Boss's scale by a line that follows its losses.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import Corpus, Floats
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.wrong import bigram_kernels

# Updates after which a loss has faded to 1/e of its weight: few, since the Boss gets better soon.
HORIZON = 50
# Absolute discounting (Ney, Essen and Kneser 1994).
DISCOUNT = 0.75
# Pairs that are counted at most, spread evenly; slots of the table of bigrams at most, and the
# share of them that may be taken, so that the next one is found soon.
COUNTED, SLOTS, FULL = 500_000, 2**23, 0.8
# Pairs that are read at a time.
CHUNK = 65_536
# Stands before every sentence. fairseq's dictionaries begin with <s>, <pad>, </s>, <unk>.
BEFORE = 2
# Pairs before the line is trusted.
LEAST = 200.0


class Bigrams:
    """Expected losses from a bigram model of the target side: 2 bytes per pair.

    State: five numbers; what was counted is counted again from the corpus.

    Args:
        corpus: the pairs; their target sides are read when first needed.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._sums = np.zeros(5)
        self.attach(corpus)

    def attach(self, corpus: Corpus) -> None:
        """Expect the losses of pairs of ``corpus`` from now on."""
        self._corpus = corpus
        self._costs: NDArray[np.float16] | None = None

    @property
    def costs(self) -> NDArray[np.float16]:
        """What the bigram model says of every pair's target, [pairs] in nats per token."""
        if self._costs is None:
            self._costs = bigram_costs(self._corpus)
        return self._costs

    def expected(self, pairs: Ints) -> Floats:
        """Return the expected losses [P] of ``pairs`` [P], nats per target token; NaN = unknown."""
        level, slope = self.line
        return (level + slope * self.costs[pairs].astype(np.float64)).astype(np.float32)

    @property
    def line(self) -> tuple[float, float]:
        """Level and slope of the Boss's losses over the costs; NaN before there are enough."""
        count, costs, losses, squares, products = self._sums
        if count < LEAST:
            return math.nan, math.nan
        spread = squares / count - (costs / count) ** 2
        together = products / count - costs / count * losses / count
        slope = max(together, 0.0) / max(spread, 1e-6)
        return losses / count - slope * costs / count, slope

    def learn(self, pairs: Ints, losses: Floats) -> None:
        """Fit the line to the known ``losses`` [P] of one update; older ones fade."""
        costs, values = self.costs[pairs].astype(np.float64), losses.astype(np.float64)
        now = len(pairs), costs.sum(), values.sum(), (costs**2).sum(), (costs * values).sum()
        # However small the updates are, the line remembers as many pairs as it takes to trust it.
        self._sums = self._sums * math.exp(-min(1 / HORIZON, len(pairs) / (2 * LEAST))) + now

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain arrays."""
        return {"bigram_sums": self._sums.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; another base's sums are of no use."""
        if "bigram_sums" in state:
            self._sums = np.array(state["bigram_sums"], np.float64)


def bigram_costs(corpus: Corpus) -> NDArray[np.float16]:
    """Return what a bigram model of the target side says of each of its sentences.

    Returns:
        [pairs] mean of -log P over the tokens, in nats.
    """
    side, step = corpus.target, math.ceil(len(corpus) / COUNTED)
    size = slots(len(corpus) // step * 32)
    table, room = np.zeros(2 * size, np.uint32), int(FULL * size)
    words, after = np.zeros(side.words, np.int64), np.zeros((side.words, 2), np.int64)
    for begin in range(0, len(corpus), CHUNK * step):
        some = side.gather(np.arange(begin, min(begin + CHUNK * step, len(corpus)), step))
        counts = table, words, after, BEFORE
        room = bigram_kernels.count_bigrams(some.tokens, some.offsets, *counts, room)
    costs = np.empty(len(corpus), np.float16)
    for begin in range(0, len(corpus), CHUNK):
        pairs = np.arange(begin, min(begin + CHUNK, len(corpus)))
        some, out = side.gather(pairs), np.empty(len(pairs), np.float32)
        own = (pairs % step == 0).astype(np.int64)
        model = table, words, after, BEFORE, DISCOUNT
        bigram_kernels.bigram_costs(some.tokens, some.offsets, own, *model, out)
        costs[pairs] = out
    return costs


def slots(tokens: int) -> int:
    """Return the slots for the bigrams of so many tokens: a power of two, twice as many or more."""
    return min(SLOTS, 1 << max(10, (2 * tokens - 1).bit_length()))
