"""Compiled loops of the evidence on pairs; they release the GIL.

Letters: P pairs, K tokens in all, V words of a dictionary, E entries of a lexicon, as there.
"""

from __future__ import annotations

import math

import numpy as np

from autoassist_fairseq.assistant.compiling import compiled
from autoassist_fairseq.assistant.corpus.kernels import Array, longest
from autoassist_fairseq.assistant.prefetching import prefetch

# Columns of what `worths` writes of a direction: the mean over all tokens, over those of the first
# and of the second half, and the share of tokens that hardly anything on the other side explains.
MEAN, FIRST, SECOND, UNEXPLAINED = range(4)
WORTHS = 4
# Parts of a sentence that places are told by.
GRID = 16
# Words ahead whose entries are fetched early; entries in a line of the cache.
AHEAD, CACHE_LINE = 4, 16


@compiled
def worths(
    tokens: Array,
    offsets: Array,
    others: Array,
    other_offsets: Array,
    begins: Array,
    words: Array,
    lifts: Array,
    rest: Array,
    vocabulary: int,
    near: Array,
    around: Array,
    out: Array,
) -> None:
    """Write what one side of each pair is worth for the other, nats per token of the other.

    The worth of a token is log(mean of P(y | x) over the words x and an empty one / P(y)), where
    words at the same place of their sentences weigh more.

    Args:
        tokens: [K] int32, of the side that explains.
        offsets: [P + 1] of the same.
        others: [K'] int32, of the side that is explained.
        other_offsets: [P + 1] of the same.
        begins: [V + 1] int64, of the lexicon.
        words: [E] int32, of the lexicon.
        lifts: [E] float32, P(y | x) / P(y).
        rest: [V] float32, what the entries of x leave of its probability.
        vocabulary: words of the other side.
        near: [GRID + 1] float32, weight of a word so far away, in parts of the sentence.
        around: [GRID + 1] float32, mean of the same for a word at each place of the sentence.
        out: [P, WORTHS] float32, written.
    """
    mark = np.zeros(vocabulary, np.int32)
    room = longest(other_offsets) + 1
    found, later = np.zeros(room, np.float32), np.zeros(room, np.int32)
    for i in range(len(out)):
        begin, size = other_offsets[i], other_offsets[i + 1] - other_offsets[i]
        many = offsets[i + 1] - offsets[i]
        for j in range(size, 0, -1):  # places of a word in a chain, from 1
            later[j], mark[others[begin + j - 1]] = mark[others[begin + j - 1]], j
            found[j] = 0
        left, step = 0.0, np.float32(GRID) / max(size, 1)
        for o in range(many):
            x, here = tokens[offsets[i] + o], np.float32((o + 0.5) / many * GRID)
            if offsets[i] + o + AHEAD < len(tokens):
                ahead = begins[tokens[offsets[i] + o + AHEAD]]
                prefetch(words, ahead)
                prefetch(words, ahead + CACHE_LINE)
            left += rest[x]
            for e in range(begins[x], begins[x + 1]):
                j = mark[words[e]]
                while j > 0:
                    found[j] += lifts[e] * near[int(abs(here - (j - np.float32(0.5)) * step))]
                    j = later[j]
        left /= max(many, 1)
        half, first, second, unexplained = (size + 1) // 2, 0.0, 0.0, 0
        for j in range(1, size + 1):
            heavy = many * around[int((j - 0.5) * step)]
            plain = 1 + left * heavy  # the empty word, and what is left
            worth = math.log((plain + found[j]) / (1 + heavy))
            unexplained += found[j] < plain
            if j <= half:
                first += worth
            else:
                second += worth
            mark[others[begin + j - 1]] = 0
        out[i, MEAN] = (first + second) / max(size, 1)
        out[i, FIRST] = first / max(half, 1)
        out[i, SECOND] = second / max(size - half, 1)
        out[i, UNEXPLAINED] = unexplained / max(size, 1)


@compiled
def overlap(
    tokens: Array,
    offsets: Array,
    others: Array,
    other_offsets: Array,
    alike: Array,
    words: int,
    out: Array,
) -> None:
    """Write the share of target words that stand in the source.

    Args:
        tokens: [K] int32, of the source.
        offsets: [P + 1] of the same.
        others: [K'] int32, of the target.
        other_offsets: [P + 1] of the same.
        alike: [V'] the source word that is spelled like each target word; -1: none.
        words: V, of the source.
        out: [P] float32, written, in [0, 1].
    """
    mark = np.full(words + 1, -1, np.int64)  # the last one: of -1
    for i in range(len(offsets) - 1):
        for j in range(offsets[i], offsets[i + 1]):
            mark[tokens[j]] = i
        count = 0
        for j in range(other_offsets[i], other_offsets[i + 1]):
            count += mark[alike[others[j]]] == i
        out[i] = count / max(other_offsets[i + 1] - other_offsets[i], 1)


@compiled
def mean(tokens: Array, offsets: Array, values: Array, out: Array) -> None:
    """Write the mean of ``values`` [V] over the words of each pair to ``out`` [P] float32."""
    for i in range(len(offsets) - 1):
        total = 0.0
        for j in range(offsets[i], offsets[i + 1]):
            total += values[tokens[j]]
        out[i] = total / max(offsets[i + 1] - offsets[i], 1)


@compiled
def count(tokens: Array, offsets: Array, weights: Array, out: Array) -> None:
    """Add to ``out`` [V] how often each word is in the pairs, each pair by its weight [P]."""
    for i in range(len(offsets) - 1):
        for j in range(offsets[i], offsets[i + 1]):
            out[tokens[j]] += weights[i]


@compiled
def expect(begins: Array, words: Array, lifts: Array, values: Array, out: Array) -> None:
    """Write the mean of ``values`` [V'] over the translations of each word to ``out`` [V].

    P(y) is exp(-values), so that ``lifts`` [E] give P(y | x) again.
    """
    for x in range(len(begins) - 1):
        total, heavy = 0.0, 0.0
        for e in range(begins[x], begins[x + 1]):
            chance = lifts[e] * math.exp(-values[words[e]])
            total += chance * values[words[e]]
            heavy += chance
        out[x] = total / heavy if heavy > 0 else 0.0


@compiled
def translate(
    begins: Array, words: Array, lifts: Array, counts: Array, shares: Array, out: Array
) -> None:
    """Add to ``out`` [V'] what words of these ``counts`` [V] translate to; P(y) is ``shares``."""
    for x in range(len(begins) - 1):
        for e in range(begins[x], begins[x + 1]):
            out[words[e]] += counts[x] * lifts[e] * shares[words[e]]
