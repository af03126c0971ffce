"""Compiled loops over bigrams, in a hash table that is read ahead; they release the GIL.

Letters: P pairs, K tokens in all, V words of a dictionary, as in `kernels`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autoassist_fairseq.assistant.compiling import compiled
from autoassist_fairseq.assistant.corpus.kernels import Array
from autoassist_fairseq.assistant.prefetching import prefetch

# Bigrams ahead of the current one whose counts are fetched early: nearly every one is a cache miss.
BIGRAMS_AHEAD = 12
# Products of probabilities above it lose no digit.
SMALL = 1e-200


@compiled
def _key(before: int, word: int) -> Any:
    """Return what stands for a bigram: exact for dictionaries of up to 65,536 words."""
    return np.uint32(before << 16) ^ np.uint32(word)


@compiled
def _home(key: int, table: Array) -> int:
    """Return where the search for ``key`` begins in a hash table of (key, count), one behind other.

    Half a cache line further on at most the search is over, nearly always.
    """
    mixed = (np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    return int(mixed) & (len(table) - 2)


@compiled
def _find(key: int, table: Array) -> int:
    """Return where ``key`` is in ``table``, or the free place where it would be."""
    place: int = _home(key, table)
    while table[place + 1] and table[place] != key:
        place = (place + 2) & (len(table) - 2)
    return place


@compiled
def count_bigrams(
    tokens: Array, offsets: Array, table: Array, words: Array, after: Array, before: int, room: int
) -> int:
    """Add up the bigrams of ragged ``tokens``; return the room that is left.

    Args:
        tokens: [K] int32, of a ragged side.
        offsets: [P + 1] of the same.
        table: [2 ** n] uint32, changed: bigrams and their occurrences, see `_home`.
        words: [V] int64, changed: occurrences of each word.
        after: [V, 2] int64, changed: how often any word follows each word, and how many different
            ones do.
        before: the word that counts as standing before a sentence.
        room: bigrams that may still be added to ``table``; others count as never seen.
    """
    for i in range(len(offsets) - 1):
        last = before
        for j in range(offsets[i], offsets[i + 1]):
            if j + BIGRAMS_AHEAD < len(tokens):
                ahead = _key(tokens[j + BIGRAMS_AHEAD - 1], tokens[j + BIGRAMS_AHEAD])
                prefetch(table, _home(ahead, table))
            word = tokens[j]
            key = _key(last, word)
            place = _find(key, table)
            if table[place + 1] == 0 and room > 0:
                table[place], table[place + 1] = key, 1
                after[last, 1] += 1
                room -= 1
            elif table[place + 1]:
                table[place + 1] += 1
            after[last, 0] += 1
            words[word] += 1
            last = word
    return room


@compiled
def bigram_costs(
    tokens: Array,
    offsets: Array,
    own: Array,
    table: Array,
    words: Array,
    after: Array,
    before: int,
    discount: float,
    out: Array,
) -> None:
    """Write what a bigram model says of ragged ``tokens``: the mean of -log P, pair by pair.

    P(w | v) = (max(n(vw) - d, 0) + d f(v) P(w)) / n(v), with P(w) from the words alone and f(v) the
    number of different followers of v. Where the pair was counted itself, its own occurrence is
    taken away first.

    Args:
        tokens: [K] int32, of a ragged side.
        offsets: [P + 1] of the same.
        own: [P] 1 where the pair was counted, else 0.
        table: as `count_bigrams` left it, like the three that follow.
        words: see there.
        after: see there.
        before: see there.
        discount: d, in (0, 1).
        out: [P] float32, written; nats per token.
    """
    share = 1 / (words.sum() + 0.5 * len(words))
    for i in range(len(offsets) - 1):
        last, cost, product, mine = before, 0.0, 1.0, own[i]
        for j in range(offsets[i], offsets[i + 1]):
            if j + BIGRAMS_AHEAD < len(tokens):
                ahead = _key(tokens[j + BIGRAMS_AHEAD - 1], tokens[j + BIGRAMS_AHEAD])
                prefetch(table, _home(ahead, table))
            word = tokens[j]
            seen = max(np.int64(table[_find(_key(last, word), table) + 1]) - mine, 0)
            times = max(after[last, 0] - mine, 1)
            different = max(after[last, 1] - (mine == 1 and seen == 0), 1)
            alone = (max(words[word] - mine, 0) + 0.5) * share
            product *= (max(seen - discount, 0.0) + discount * different * alone) / times
            if product < SMALL:  # one logarithm for many words
                cost, product = cost - math.log(product), 1.0
            last = word
        out[i] = (cost - math.log(product)) / max(offsets[i + 1] - offsets[i], 1)
