"""How often each word occurs: what subwords are learned from, at a bounded cost of memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

#: Most distinct words from which subwords are learned; a corpus of millions of pairs has more, but
#: what it has beyond them are words that occur a handful of times.
MOST_WORDS = 500_000


def count_words(lines: Iterable[str], most: int = MOST_WORDS) -> list[tuple[str, int]]:
    """Count the words (between spaces) of ``lines``; the ``most`` frequent, in a fixed order.

    While counting, at most twice as many are remembered: when there are more, the rarest are
    forgotten, so that a count may come out too small by what was forgotten before.
    """
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line.split(" "))
        if len(counts) > 2 * most:
            counts = _frequent(counts, most)
    del counts[""]
    return sorted(_frequent(counts, most).items(), key=lambda item: (-item[1], item[0]))


def _frequent(counts: Counter[str], most: int) -> Counter[str]:
    # Those as rare as the first one that goes, go too: chance must not say which of them stay.
    if len(counts) <= most:
        return counts
    limit = sorted(counts.values(), reverse=True)[most]
    return Counter({word: count for word, count in counts.items() if count > limit})
