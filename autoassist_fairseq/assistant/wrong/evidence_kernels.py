"""Compiled loops of the evidence on pairs; they release the GIL.

Letters: P pairs, K tokens in all, V words of a dictionary, E entries of a lexicon, as there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autoassist_fairseq.assistant.compiling import compiled
from autoassist_fairseq.assistant.corpus.kernels import Array

# Columns of what `worths` writes of a direction: the mean over all tokens, over those of the first
# and of the second half, and the share of tokens that hardly anything on the other side explains.
MEAN, FIRST, SECOND, UNEXPLAINED = range(4)
WORTHS = 4


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
    out: Array,
) -> None:
    """Write what one side of each pair is worth for the other, nats per token of the other.

    The worth of a token is log(mean of P(y | x) over the words x and an empty one / P(y)).

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
        out: [P, WORTHS] float32, written.
    """
    mark = np.zeros(vocabulary, np.int32)
    found = np.zeros(np.diff(other_offsets).max() + 1 if len(out) else 1, np.float32)
    for i in range(len(offsets) - 1):
        begin, size = other_offsets[i], other_offsets[i + 1] - other_offsets[i]
        many = _mark(others, begin, size, mark)
        found[: many + 1] = 0
        left = np.float32(1)  # the empty word
        for j in range(offsets[i], offsets[i + 1]):
            x = tokens[j]
            left += rest[x]
            for e in range(begins[x], begins[x + 1]):
                found[mark[words[e]]] += lifts[e]
        base, plain = math.log(offsets[i + 1] - offsets[i] + 1.0), math.log(2 * left)
        for s in range(1, many + 1):
            found[s] = math.log(found[s] + left)
        half, first, second, unexplained = (size + 1) // 2, 0.0, 0.0, 0
        for j in range(size):
            value = found[mark[others[begin + j]]]
            unexplained += value < plain
            if j < half:
                first += value - base
            else:
                second += value - base
        for j in range(size):
            mark[others[begin + j]] = 0
        out[i, MEAN] = (first + second) / max(size, 1)
        out[i, FIRST] = first / max(half, 1)
        out[i, SECOND] = second / max(size - half, 1)
        out[i, UNEXPLAINED] = unexplained / max(size, 1)


@compiled
def _mark(tokens: Array, begin: int, size: int, mark: Array) -> Any:
    """Number the different words of a sentence, from 1; return how many there are."""
    many = 0
    for j in range(begin, begin + size):
        if mark[tokens[j]] == 0:
            many += 1
            mark[tokens[j]] = many
    return many


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
