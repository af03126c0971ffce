"""Compiled loops over ragged token arrays; all release the GIL, so the Boss never waits for them.

Letters: P pairs, K tokens in all, V words of a dictionary. A *ragged* side is ``tokens`` [K] int32
with ``offsets`` [P + 1]: pair i holds ``tokens[offsets[i]:offsets[i + 1]]``.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.compiling import compiled
from autoassist_fairseq.assistant.prefetching import prefetch

Array: TypeAlias = NDArray[Any]
# Columns of a word table [V, 3], as `describe` reads it.
WEIGHT, IDF, IS_RARE = range(3)
TABLE = 3
# Columns of what `describe` returns for each pair and side.
MEAN_WEIGHT, MEAN_IDF, MAX_IDF, RARE = range(4)
DESCRIBED = 4
# Pairs ahead of the current one whose place in the corpus, and whose tokens, are fetched early:
# pairs come from all over the corpus, so that every one is a cache miss.
PLACE_AHEAD, TOKENS_AHEAD, CACHE_LINE = 24, 12, 64


@compiled
def longest(offsets: Array) -> int:
    """Return the length of the longest row of a ragged array; 0 if there is none."""
    most = 0  # np.diff would take seconds to compile
    for i in range(len(offsets) - 1):
        most = max(most, offsets[i + 1] - offsets[i])
    return most


@compiled
def gather(
    stored: Array, pointers: Array, shift: int, local: Array, rows: Array, out: Array, begins: Array
) -> tuple[int, int]:
    """Copy the tokens of some pairs into ``out``; return the smallest and largest id seen.

    Args:
        stored: [any] the corpus's tokens, of any integer type (often a memory map).
        pointers: [S] where each sentence begins in ``stored``, times 2 ** ``shift``.
        shift: see ``pointers``.
        local: [P] the sentences to copy.
        rows: [P] position of each among the pairs of ``out``.
        out: [K] int32, written.
        begins: [P' + 1] where each pair begins in ``out``.
    """
    low, high = np.int64(0), np.int64(-1)
    for i in range(len(local)):
        if i + PLACE_AHEAD < len(local):
            prefetch(pointers, local[i + PLACE_AHEAD])
        if i + TOKENS_AHEAD < len(local):
            ahead = pointers[local[i + TOKENS_AHEAD]] >> shift
            prefetch(stored, ahead)
            prefetch(stored, ahead + (CACHE_LINE >> shift))
        start, to = pointers[local[i]] >> shift, begins[rows[i]]
        for j in range(begins[rows[i] + 1] - to):
            token = np.int64(stored[start + j])
            low, high = min(low, token), max(high, token)
            out[to + j] = token
    return low, high


@compiled
def describe(
    stored: Array,
    pointers: Array,
    shift: int,
    sizes: Array,
    local: Array,
    rows: Array,
    table: Array,
    out: Array,
    lengths: Array,
) -> tuple[int, int]:
    """Sum per-word quantities over each pair; return the smallest and largest id seen.

    Args:
        stored: [any] the corpus's tokens, of any integer type.
        pointers: [S] where each sentence begins in ``stored``, times 2 ** ``shift``.
        shift: see ``pointers``.
        sizes: [S] tokens of each sentence.
        local: [P] the sentences to describe.
        rows: [P] row of ``out`` for each of them.
        table: [V, 3] float32: word weight, idf in nats, and 1 for a rare word.
        out: [P', 4] float32, written: mean weight, mean idf, largest idf, share of rare words.
        lengths: [P'] int64, written: tokens.
    """
    low, high, last = np.int64(0), np.int64(-1), len(table) - 1
    for i in range(len(local)):
        if i + PLACE_AHEAD < len(local):
            prefetch(pointers, local[i + PLACE_AHEAD])
            prefetch(sizes, local[i + PLACE_AHEAD])
        if i + TOKENS_AHEAD < len(local):
            ahead = pointers[local[i + TOKENS_AHEAD]] >> shift
            prefetch(stored, ahead)
            prefetch(stored, ahead + (CACHE_LINE >> shift))
        start, size, row = pointers[local[i]] >> shift, sizes[local[i]], rows[i]
        weight = sum_idf = max_idf = rare = np.float32(0)
        for j in range(start, start + size):
            token = np.int64(stored[j])
            low, high = min(low, token), max(high, token)
            word = min(max(token, 0), last)  # the caller reports ids outside the table
            weight += table[word, WEIGHT]
            sum_idf += table[word, IDF]
            max_idf = max(max_idf, table[word, IDF])
            rare += table[word, IS_RARE]
        share = np.float32(1) / np.float32(max(size, 1))
        out[row, MEAN_WEIGHT] = weight * share
        out[row, MEAN_IDF] = sum_idf * share
        out[row, MAX_IDF] = max_idf
        out[row, RARE] = rare * share
        lengths[row] = size
    return low, high


@compiled
def describe_idf(tokens: Array, offsets: Array, idf: Array, rare_idf: float, out: Array) -> None:
    """Write the last three columns of `describe` for ragged ``tokens``, to the bit.

    Reads a quarter of what `describe` reads, which leaves room in the cache for `learn`.

    Args:
        tokens: [K] int32, of a ragged side.
        offsets: [P + 1] of the same.
        idf: [V] float32 in nats.
        rare_idf: words above it are rare.
        out: [P, 4] float32; its first column stays as it is.
    """
    for i in range(len(offsets) - 1):
        sum_idf = max_idf = np.float32(0)
        rare = 0
        for j in range(offsets[i], offsets[i + 1]):
            this = idf[tokens[j]]
            sum_idf += this
            max_idf = max(max_idf, this)
            rare += this > rare_idf
        share = np.float32(1) / np.float32(max(offsets[i + 1] - offsets[i], 1))
        out[i, MEAN_IDF] = sum_idf * share
        out[i, MAX_IDF] = max_idf
        out[i, RARE] = np.float32(rare) * share
