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
from autoassist_fairseq.assistant.wrong.text_judge import TextJudge
from autoassist_fairseq.schedule.passes import LARGEST_WINDOW
from autoassist_fairseq.settings import Settings
from autoassist_fairseq.tools.bench.rows import Row, cpu_seconds

WINDOWS = 8
# An update of 8 GPUs with 5,000 tokens each.
UPDATE_PAIRS = 1_480
UPDATES = 100
AHEAD = 12
# Pairs that are judged at a time.
JUDGED = 16_384
Pairs = NDArray[np.int32]


def rows(corpus: Corpus) -> Iterator[Row]:
    """Measure windows and updates that run through ``corpus`` in random order, as passes do."""
    assistant = Assistant(corpus, Settings(hopeless="off", warmup_passes=0), LONGEST_HORIZON)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(corpus)).astype(np.int32)
    sides = [side._segments[0] for side in (corpus.source, corpus.target)]
    yield deciding_row(assistant, order, rng, sides)
    updates = _pieces(order, UPDATE_PAIRS)[:UPDATES]
    losses = rng.gamma(4, 1, UPDATE_PAIRS).astype(np.float32)
    yield learning_row(assistant, updates, losses, sides)
    yield expecting_row(corpus, updates, losses)
    yield judging_row(corpus, order)


def _pieces(pairs: Pairs, size: int) -> list[Pairs]:
    """Return the whole stretches of ``size`` pairs."""
    return list(pairs[: len(pairs) // size * size].reshape(-1, size))


def _rate(what: str, pairs: int, seconds: float, target: float, beside: str) -> Row:
    what = f"{what}, pairs/s on one core"
    return Row(what, pairs / seconds, target, "{:,.0f}", higher=True, beside=beside)


def deciding_row(
    assistant: Assistant, order: Pairs, rng: np.random.Generator, sides: list[Segment]
) -> Row:
    """Measure deciding window after window."""
    corpus = assistant.model.corpus
    size = min(LARGEST_WINDOW, len(order) // 2)
    windows, in_order = (_pieces(ids, size)[:WINDOWS] for ids in (order, np.sort(order)))
    tables = [words.table() for words in (corpus.source_words, corpus.target_words)]

    def decide(pairs: Pairs) -> None:
        draw = rng.random(len(pairs), np.float32)
        _ = assistant.keep_probability(pairs) > draw

    def limit(pairs: Pairs) -> None:
        for segment, table in zip(sides, tables, strict=True):
            _gather(segment.tokens, segment.pointers, segment.sizes, segment.shift, pairs, table)

    return _rate(
        "deciding keep/skip (score + draw)",
        size,
        cpu_seconds(decide, windows),
        5e6,
        f"one numba gather over both sides: {size / cpu_seconds(limit, windows):,.0f}; reading "
        f"them in the corpus's order: {size / cpu_seconds(limit, in_order):,.0f}",
    )


def learning_row(
    assistant: Assistant, updates: list[Pairs], losses: NDArray[np.float32], sides: list[Segment]
) -> Row:
    """Measure learning update after update."""
    words = assistant.model.corpus.source.words
    weights, squares = np.zeros(words, np.float32), np.ones(words, np.float32)

    def sweep(pairs: Pairs) -> None:
        for s in sides:
            _sweep(s.tokens, s.pointers, s.sizes, s.shift, pairs, weights, squares)

    return _rate(
        "learning from losses",
        UPDATE_PAIRS,
        cpu_seconds(lambda pairs: assistant.learn(pairs, losses), updates),
        1e6,
        "one numba AdaGrad sweep over both sides: "
        f"{UPDATE_PAIRS / cpu_seconds(sweep, updates):,.0f}",
    )


def expecting_row(corpus: Corpus, updates: list[Pairs], losses: NDArray[np.float32]) -> Row:
    """Measure what looking for hopeless pairs adds to learning, update after update."""
    assistant = Assistant(corpus, Settings(hopeless="cut"), LONGEST_HORIZON)
    memory = Surprise(len(corpus))
    begin = time.process_time()
    assistant.expected(updates[0])
    reading = time.process_time() - begin

    def remember(pairs: Pairs) -> None:
        expected = assistant.expected(pairs)
        assert expected is not None
        memory.learn(pairs, losses, expected, 1)
        assistant.adjust(pairs, losses)

    return _rate(
        "looking for hopeless pairs: expected loss and surprise",
        UPDATE_PAIRS,
        cpu_seconds(remember, updates),
        1e6,
        f"{reading:.1f} CPU seconds once, to count bigrams in the whole corpus",
    )


def judging_row(corpus: Corpus, order: Pairs) -> Row:
    """Measure verdicts by text alone on pairs from all over the corpus, and what comes before."""
    judge, begin = TextJudge(corpus, seed=1), time.process_time()
    judge.verdicts(order[:JUDGED])  # compiles, too, what was not compiled before
    preparing = time.process_time() - begin
    some = min(JUDGED, len(order))
    chunks = _pieces(order, some)[:WINDOWS]
    return _rate(
        "judging pairs by their text",
        some,
        cpu_seconds(judge.examine, chunks),  # verdicts are remembered, examinations are not
        150_000,
        f"{preparing:.1f} CPU seconds once, to learn from a sample what wrong pairs look like",
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
