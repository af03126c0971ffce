"""Compiled loops of the lexicon: Model 1 by rows, and what it says of pairs; they release the GIL.

Letters: P pairs, K tokens in all, V words of a dictionary, as in `kernels`; E entries of a lexicon.
A *lexicon* holds for each word x of one side its few likeliest words y of the other: ``begins``
[V + 1], ``words`` [E] int32, and for each entry a number, such as P(y | x).
"""

from __future__ import annotations

import math

import numpy as np

from autoassist_fairseq.assistant.compiling import compiled
from autoassist_fairseq.assistant.corpus.kernels import Array, longest


@compiled
def without(tokens: Array, offsets: Array, least: int, out: Array, begins: Array) -> None:
    """Copy ragged ``tokens`` [K] that are ``least`` or more to ``out``, offsets to ``begins``.

    Args:
        tokens: [K] int32.
        offsets: [P + 1].
        least: smaller ids (the end of a sentence) are left out.
        out: [K] int32, written.
        begins: [P + 1] int64, written.
    """
    to = 0
    for i in range(len(offsets) - 1):
        begins[i] = to
        for j in range(offsets[i], offsets[i + 1]):
            if tokens[j] >= least:
                out[to] = tokens[j]
                to += 1
    begins[len(offsets) - 1] = to


@compiled
def places(tokens: Array, offsets: Array, starts: Array, pairs: Array) -> None:
    """Sort occurrences by word: those of word x are in ``pairs[starts[x]:starts[x + 1]]``.

    Args:
        tokens: [K] int32.
        offsets: [P + 1].
        starts: [V + 1] int64, written.
        pairs: [K] int32, written: the pair of each occurrence, ascending for each word.
    """
    starts[:] = 0
    for token in tokens[: offsets[-1]]:
        starts[token + 1] += 1
    for x in range(len(starts) - 1):
        starts[x + 1] += starts[x]
    free = starts[:-1].copy()
    for i in range(len(offsets) - 1):
        for j in range(offsets[i], offsets[i + 1]):
            pairs[free[tokens[j]]] = i
            free[tokens[j]] += 1


@compiled
def first_round(
    starts: Array,
    pairs: Array,
    lengths: Array,
    tokens: Array,
    offsets: Array,
    shares: Array,
    most: int,
    begins: Array,
    words: Array,
    values: Array,
) -> None:
    """Count expected links where all are alike, and keep the most telling ``most`` of each word.

    Args:
        starts: with ``pairs``, occurrences of the words x, as `places` wrote them.
        pairs: see ``starts``.
        lengths: [P] tokens of that side.
        tokens: [K] int32, of the other side.
        offsets: [P + 1] of the same.
        shares: [V'] float64, relative frequencies of the words y.
        most: entries of a word at most.
        begins: [V + 1] int64, written.
        words: [V * most] int32, written.
        values: [V * most] float32, written: P(y | x).
    """
    row = np.zeros(len(shares), np.float32)
    seen = np.empty(len(shares), np.int32)
    gains = np.empty(len(shares), np.float64)
    to = 0
    for x in range(len(starts) - 1):
        begins[x] = to
        many, total = 0, 0.0
        for o in range(starts[x], starts[x + 1]):
            pair = pairs[o]
            share = np.float32(1) / np.float32(lengths[pair] + 1)
            total += share * (offsets[pair + 1] - offsets[pair])
            for j in range(offsets[pair], offsets[pair + 1]):
                y = tokens[j]
                if row[y] == 0:
                    seen[many] = y
                    many += 1
                row[y] += share
        good = 0
        for s in range(many):
            y = seen[s]
            lift = np.float64(row[y]) / (total * shares[y])
            gain = row[y] * math.log(lift) if lift > 1 else 0.0
            if gain > 0:
                seen[good], gains[good] = y, gain
                good += 1
            else:
                row[y] = 0
        least = 0.0
        if good > most:
            least = _largest(gains[:good], most)
        chosen = 0
        for s in range(good):
            if gains[s] >= least and chosen < most:
                words[to + chosen], values[to + chosen] = seen[s], row[seen[s]] / total
                chosen += 1
            row[seen[s]] = 0
        to += chosen
    begins[len(starts) - 1] = to


@compiled
def next_round(
    tokens: Array,
    offsets: Array,
    others: Array,
    other_offsets: Array,
    shares: Array,
    begins: Array,
    words: Array,
    values: Array,
    discount: float,
    links: Array,
) -> None:
    """One more round of EM on the entries that there are.

    Args:
        tokens: [K] int32, of the side of the words x.
        offsets: [P + 1] of the same.
        others: [K'] int32, of the other side.
        other_offsets: [P + 1] of the same.
        shares: [V'] float64, relative frequencies of the words y; the empty word's P(y).
        begins: [V + 1] int64, of the entries.
        words: [E] int32, of the entries.
        values: [E] float32, changed: P(y | x).
        discount: taken off each expected count.
        links: [V] float64, written: words of the other side that each word x explains.
    """
    counts, mark = np.zeros(len(words)), np.zeros(len(shares), np.int32)
    most = longest(offsets) * longest(begins) + 1
    entry, place = np.empty(most, np.int64), np.empty(most, np.int32)
    room = longest(other_offsets) + 1
    sums, times = np.zeros(room), np.zeros(room)
    for i in range(len(offsets) - 1):
        own = others[other_offsets[i] : other_offsets[i + 1]]
        slots = _number(own, mark, times)
        for y in own:
            sums[mark[y]] = shares[y]
        met = 0
        for j in range(offsets[i], offsets[i + 1]):
            for e in range(begins[tokens[j]], begins[tokens[j] + 1]):
                slot = mark[words[e]]
                entry[met], place[met] = e, slot
                met += slot > 0
        for m in range(met):
            sums[place[m]] += values[entry[m]]
        for slot in range(1, slots + 1):
            sums[slot] = times[slot] / sums[slot]
        for m in range(met):
            counts[entry[m]] += values[entry[m]] * sums[place[m]]
        mark[own] = 0
    for x in range(len(begins) - 1):
        links[x] = counts[begins[x] : begins[x + 1]].sum()
        for e in range(begins[x], begins[x + 1]):
            values[e] = max(counts[e] - discount, 0.0) / (links[x] + 1e-9)


@compiled
def _largest(values: Array, rank: int) -> float:
    """Return the ``rank``-th largest of ``values``."""
    # Of one type, since every type that is sorted takes seconds to compile.
    return float(np.sort(values.astype(np.float64))[len(values) - rank])


@compiled
def _number(own: Array, mark: Array, times: Array) -> int:
    """Number the different words of a sentence from 1, count them; return how many there are."""
    slots = 0
    for y in own:
        if mark[y] == 0:
            slots += 1
            mark[y] = slots
            times[slots] = 0
        times[mark[y]] += 1
    return slots


@compiled
def shorten(
    begins: Array, words: Array, values: Array, most: int, least_rest: float, rest: Array
) -> None:
    """Keep the ``most`` likeliest entries of each word, in place; those of 0 are left out.

    Args:
        begins: [V + 1] int64, changed.
        words: [E] int32, changed.
        values: [E] float32, changed.
        most: entries of a word at most.
        least_rest: the least to be left of a word's probability.
        rest: [V] float32, written: what the entries leave of it.
    """
    to, last = 0, begins[0]
    for x in range(len(begins) - 1):
        first, last = last, begins[x + 1]
        begins[x] = to
        least = 0.0
        if last - first > most:
            least = _largest(values[first:last], most)
        chosen, left = 0, 1.0
        for e in range(first, last):
            if values[e] > 0 and values[e] >= least and chosen < most:
                words[to], values[to] = words[e], values[e]
                left -= values[e]
                to, chosen = to + 1, chosen + 1
        rest[x] = max(left, least_rest)
    begins[len(begins) - 1] = to
