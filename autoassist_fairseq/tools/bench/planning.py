"""Planning whole passes beside fairseq's own packing: CPU time, growth, padding."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.assistant.features import Corpus
from autoassist_fairseq.assistant.threshold import LONGEST_HORIZON
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.promise import Pairs
from autoassist_fairseq.settings import Settings
from autoassist_fairseq.tools.bench.rows import Row
from autoassist_fairseq.tools.bench.timing import cpu_seconds

Sizes = NDArray[Any]
# Source and target lengths [P] -> batches, as fairseq packs them.
Packing = Callable[[Sizes, Sizes], list[NDArray[np.int64]]]

GROUP = 8  # batches per update: 8 GPUs
BUDGET = Budget(max_tokens=5000, max_pairs=0, multiple=8)
# The target for the whole corpus of WMT14.
SECONDS, PAIRS = 8.0, 4_500_000
GROWTH = 1.15
BYTES = 16
HOPELESS = {"hopeless": "cut"}
# As many as are planned and not yet learned at one time, and one more.
WINDOWS = 3


def make_planner(corpus: Corpus, **options: Any) -> Planner:
    """Return a planner of ``corpus``."""
    settings = Settings(**options)
    assistant = Assistant(corpus, settings, LONGEST_HORIZON)
    sizes = (side._segments[0].sizes for side in (corpus.source, corpus.target))
    pairs = Pairs(np.arange(len(corpus), dtype=np.int32), *sizes)
    return Planner(assistant, pairs, BUDGET, settings)


def plan_pass(planner: Planner) -> list[NDArray[np.int64]]:
    """Plan one pass without its losses; return its batches."""
    now = planner.begin_pass(1, GROUP)
    plans = [planner.plan_next() for _ in range(now.windows)]
    return [plan.batches.batch(i) for plan in plans for i in range(len(plan.batches))]


def rows(corpus: Corpus, smaller: Corpus, packing: Packing) -> Iterator[Row]:
    """Measure passes over ``corpus``, and how they grow from ``smaller``."""
    planner = make_planner(corpus, warmup_passes=0)
    keeping = make_planner(corpus, policy="uniform")
    sizes = planner.pairs.source_sizes, planner.pairs.target_sizes
    shrinking = cpu_seconds(plan_pass, [planner])
    uniform = cpu_seconds(plan_pass, [keeping])
    stock = cpu_seconds(lambda both: packing(*both), [sizes])
    yield Row(
        f"planning a shrinking pass of {len(corpus):,} pairs, CPU seconds",
        shrinking,
        SECONDS * len(corpus) / PAIRS,
        beside=f"keeping all: {uniform:.2f}; fairseq packs all in {stock:.2f}",
    )
    few = cpu_seconds(plan_pass, [make_planner(smaller, warmup_passes=0)])
    yield Row(
        f"planning per pair, beside {len(smaller):,} pairs",
        shrinking / len(corpus) / (few / len(smaller)),
        GROWTH,
        "{:.3f}",
        tolerance=0.0,
        ratio=True,
        beside=f"1 = linear; {few:.3f} s there",
    )
    yield memory_row(corpus, smaller, "")
    yield memory_row(corpus, smaller, ", with hopeless pairs cut", **HOPELESS)
    yield padding_row(plan_pass(keeping), packing(*sizes), *sizes)


def memory_row(corpus: Corpus, smaller: Corpus, name: str, **options: Any) -> Row:
    """Compare what is held in the middle of passes over a large and a smaller corpus."""
    large, small = (held(one, **options) for one in (corpus, smaller))
    more = len(corpus) - len(smaller)
    return Row(
        f"resident memory beyond the memory-mapped corpus{name}, bytes per pair",
        (large[0] - small[0]) / more,
        BYTES,
        beside=f"{large[0] / 2**20:.0f} MiB in all, {large[1] / 2**20:.0f} MiB at its peak",
    )


def held(corpus: Corpus, **options: Any) -> tuple[int, int]:
    """Return the bytes held after `WINDOWS` windows of a pass, and the most until then."""
    tracemalloc.start()
    planner = make_planner(corpus, warmup_passes=0, **options)
    planner.assistant.expected(planner.pairs.ids[:1])  # reads the corpus, where that is needed
    now = planner.begin_pass(1, GROUP)
    for _ in range(min(WINDOWS, now.windows)):
        planner.plan_next()
    seen = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return seen


def padding_row(
    ours: list[NDArray[np.int64]], stock: list[NDArray[np.int64]], *sides: Sizes
) -> Row:
    """Compare padding of batches that keep every pair, in percent."""
    pads = [padding(batches, *sides) for batches in (ours, stock)]
    return Row(
        "padding (padded tokens / tokens) beyond fairseq's, %",
        100 * (pads[0] / pads[1] - 1),
        1.0,
        "{:+.2f}",
        beside=f"{pads[0]:.4f} in {len(ours):,} batches; fairseq {pads[1]:.4f} in {len(stock):,}",
    )


def padding(batches: list[NDArray[np.int64]], *sides: Sizes) -> float:
    """Return padded tokens / tokens over all ``sides`` of ``batches``."""
    padded = sum(len(batch) * int(side[batch].max()) for batch in batches for side in sides)
    return padded / sum(int(side[batch].sum()) for batch in batches for side in sides)
