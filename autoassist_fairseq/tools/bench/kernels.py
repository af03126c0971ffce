"""Deciding and learning, on pairs from all over the corpus, beside what memory allows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.assistant.compiling import compiled
from autoassist_fairseq.assistant.corpus.features import Corpus
from autoassist_fairseq.assistant.corpus.token_store import Segment
from autoassist_fairseq.assistant.prefetching import prefetch
from autoassist_fairseq.assistant.trivial.threshold import LONGEST_HORIZON
from autoassist_fairseq.assistant.wrong.surprise import Surprise
from autoassist_fairseq.schedule.passes import LARGEST_WINDOW
from autoassist_fairseq.settings import Settings
from autoassist_fairseq.tools.bench.rows import Row
from autoassist_fairseq.tools.bench.timing import cpu_seconds

WINDOWS = 8
# An update of 8 GPUs with 5,000 tokens each.
UPDATE_PAIRS = 1_480
UPDATES = 100
AHEAD = 12


def rows(corpus: Corpus) -> Iterator[Row]:
    """Measure windows and updates that run through ``corpus`` in random order, as passes do."""
    assistant = Assistant(corpus, Settings(warmup_passes=0), LONGEST_HORIZON)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(corpus)).astype(np.int32)
    size = min(LARGEST_WINDOW, len(order) // 2)
    windows = [order[i : i + size] for i in range(0, len(order) - size + 1, size)][:WINDOWS]

    def decide(pairs: NDArray[np.int32]) -> None:
        draw = rng.random(len(pairs), np.float32)
        _ = assistant.keep_probability(pairs) > draw

    sides = [side._segments[0] for side in (corpus.source, corpus.target)]
    tables = [words.table() for words in (corpus.source_words, corpus.target_words)]

    def limit(pairs: NDArray[np.int32]) -> None:
        for segment, table in zip(sides, tables, strict=True):
            _gather(segment.tokens, segment.pointers, segment.sizes, segment.shift, pairs, table)

    seconds, least = cpu_seconds(decide, windows), cpu_seconds(limit, windows)
    yield Row(
        "deciding keep/skip (score + draw), pairs/s on one core",
        size / seconds,
        5e6,
        "{:,.0f}",
        higher=True,
        beside=f"one numba gather over both sides: {size / least:,.0f}; reading them in the "
        f"corpus's order: {size / cpu_seconds(limit, _in_order(windows)):,.0f}",
    )
    yield learning_row(assistant, order, rng, sides)
    yield expecting_row(corpus, order, rng)


def _in_order(windows: list[NDArray[np.int32]]) -> list[NDArray[np.int32]]:
    """Return as many pairs as ``windows`` hold, each window a stretch of the corpus."""
    size = len(windows[0])
    return [np.arange(i * size, (i + 1) * size, dtype=np.int32) for i in range(len(windows))]


def _updates(order: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    """Return the pairs of up to `UPDATES` whole updates."""
    begins = range(0, len(order) - UPDATE_PAIRS + 1, UPDATE_PAIRS)
    return [order[begin : begin + UPDATE_PAIRS] for begin in begins][:UPDATES]


def learning_row(
    assistant: Assistant, order: NDArray[np.int32], rng: np.random.Generator, sides: list[Segment]
) -> Row:
    """Measure learning update after update."""
    updates = _updates(order)
    losses = rng.gamma(4, 1, UPDATE_PAIRS).astype(np.float32)
    seconds = cpu_seconds(lambda pairs: assistant.learn(pairs, losses), updates)
    words = assistant.model.corpus.source.words
    weights, squares = np.zeros(words, np.float32), np.ones(words, np.float32)

    def sweep(pairs: NDArray[np.int32]) -> None:
        for s in sides:
            _sweep(s.tokens, s.pointers, s.sizes, s.shift, pairs, weights, squares)

    return Row(
        "learning from losses, pairs/s on one core",
        UPDATE_PAIRS / seconds,
        1e6,
        "{:,.0f}",
        higher=True,
        beside="one numba AdaGrad sweep over both sides: "
        f"{UPDATE_PAIRS / cpu_seconds(sweep, updates):,.0f}",
    )


def expecting_row(corpus: Corpus, order: NDArray[np.int32], rng: np.random.Generator) -> Row:
    """Measure what looking for hopeless pairs adds to learning, update after update."""
    assistant = Assistant(corpus, Settings(hopeless="cut"), LONGEST_HORIZON)
    memory = Surprise(len(corpus))
    updates = _updates(order)
    losses = rng.gamma(4, 1, UPDATE_PAIRS).astype(np.float32)
    begin = time.process_time()
    assistant.expected(order[:1])
    reading = time.process_time() - begin

    def remember(pairs: NDArray[np.int32]) -> None:
        expected = assistant.expected(pairs)
        assert expected is not None
        memory.learn(pairs, losses, expected, 1)
        assistant.adjust(pairs, losses)

    return Row(
        "looking for hopeless pairs: expected loss and surprise, pairs/s on one core",
        UPDATE_PAIRS / cpu_seconds(remember, updates),
        1e6,
        "{:,.0f}",
        higher=True,
        beside=f"{reading:.1f} CPU seconds once, to count bigrams in the whole corpus",
    )


@compiled
def _gather(tokens: Any, pointers: Any, sizes: Any, shift: int, pairs: Any, table: Any) -> Any:
    """Sum one word weight over some sentences: the least that any score must read."""
    total = np.float32(0)
    for i in range(len(pairs)):
        if i + 2 * AHEAD < len(pairs):
            prefetch(pointers, pairs[i + 2 * AHEAD])
            prefetch(sizes, pairs[i + 2 * AHEAD])
        if i + AHEAD < len(pairs):
            prefetch(tokens, pointers[pairs[i + AHEAD]] >> shift)
        begin = pointers[pairs[i]] >> shift
        logit = np.float32(0)
        for j in range(begin, begin + sizes[pairs[i]]):
            logit += table[tokens[j], 0]
        total = max(total, logit)
    return total


@compiled
def _sweep(
    tokens: Any, pointers: Any, sizes: Any, shift: int, pairs: Any, weights: Any, squares: Any
) -> None:
    """Take one AdaGrad step on one weight per word: the least that any learning must do."""
    for i in range(len(pairs)):
        if i + AHEAD < len(pairs):
            prefetch(tokens, pointers[pairs[i + AHEAD]] >> shift)
        begin, end = pointers[pairs[i]] >> shift, (pointers[pairs[i]] >> shift) + sizes[pairs[i]]
        logit = np.float32(0)
        for j in range(begin, end):
            logit += weights[tokens[j]]
        step = (np.float32(0.5) - logit) / np.float32(end - begin)
        for j in range(begin, end):
            squares[tokens[j]] += step * step
            weights[tokens[j]] += step / np.sqrt(squares[tokens[j]])
