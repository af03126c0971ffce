"""Planning whole passes beside fairseq's own packing: CPU time, growth, padding."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import Corpus
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.schedule.folder import Folder
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.settings import Settings
from autoassist_fairseq.tools.bench.programs import own_bytes
from autoassist_fairseq.tools.bench.rows import Row, cpu_seconds
from autoassist_fairseq.tools.report.corpus import read_text

Sizes = NDArray[Any]
# Source and target lengths [P] -> batches, as fairseq packs them.
Packing = Callable[[Sizes, Sizes], list[NDArray[np.int64]]]

GROUP = 8  # batches per update: 8 GPUs
BUDGET = Budget(max_tokens=5000, max_pairs=0, multiple=8)
# Processes that share a node in the rows on memory.
RANKS = 2
# As many as are planned and not yet learned at one time, and one more.
WINDOWS = 3


def make_planner(corpus: Corpus, **options: Any) -> Planner:
    """Return a planner of ``corpus``; of the paper's rule, unless ``options`` say otherwise."""
    settings = Settings(**{"policy": "shrink", "hopeless": "off", **options})
    source, target = (side._segments[0].sizes for side in (corpus.source, corpus.target))
    return Planner(Folder(corpus, PairIds(len(corpus)), source, target), BUDGET, settings)


def plan_pass(planner: Planner) -> list[NDArray[np.int64]]:
    """Plan one pass without its losses; return its batches."""
    now = planner.begin_pass(1, GROUP)
    plans = [planner.plan_next() for _ in range(now.windows)]
    return [plan.batches.batch(i) for plan in plans for i in range(len(plan.batches))]


def rows(large: Path, small: Path, packing: Packing) -> Iterator[Row]:
    """Measure passes over the corpus in ``large``, and how they grow from that in ``small``."""
    corpus, smaller = (read_text(folder).corpus for folder in (large, small))
    planner = make_planner(corpus, warmup_passes=0)
    keeping = make_planner(corpus, policy="uniform")
    sizes = planner.folder.source_sizes, planner.folder.target_sizes
    shrinking = cpu_seconds(plan_pass, [planner])
    uniform = cpu_seconds(plan_pass, [keeping])
    stock = cpu_seconds(lambda both: packing(*both), [sizes])
    yield Row(
        f"planning a shrinking pass of {len(corpus):,} pairs, CPU seconds",
        shrinking,
        8.0 * len(corpus) / 4_500_000,  # 8 seconds for the whole corpus of WMT14
        beside=f"keeping all: {uniform:.2f}; fairseq packs all in {stock:.2f}",
    )
    few = cpu_seconds(plan_pass, [make_planner(smaller, warmup_passes=0)])
    yield Row(
        f"planning per pair, beside {len(smaller):,} pairs",
        shrinking / len(corpus) / (few / len(smaller)),
        1.15,
        "{:.3f}",
        tolerance=0.0,
        ratio=True,
        beside=f"1 = linear; {few:.3f} s there",
    )
    yield padding_row(plan_pass(keeping), packing(*sizes), *sizes)
    more = len(corpus) - len(smaller)
    for name, target, options in (
        ("", 4, {}),
        # What the reader learns from 100,000 pairs is not per pair, but counts as such with few.
        (", with hopeless pairs cut", 12 if more > 1_000_000 else 24, {"hopeless": "cut"}),
    ):
        held, less = (held_by_ranks(folder, options) for folder in (large, small))
        yield Row(
            f"own memory of each of {RANKS} ranks on one node{name}, bytes per pair",
            (held - less) / more,
            target,
            beside=f"{held / 2**20:,.0f} MiB in all",
        )


def held_by_ranks(folder: Path, options: dict[str, Any]) -> float:
    """Return the bytes that each of `RANKS` processes shares with no file, amid a pass; the mean.

    What they share with each other counts in parts, as if it were divided among them.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(RANKS, mp_context=spawn) as pool:
        return sum(pool.map(_held_by_rank, [folder] * RANKS, [options] * RANKS)) / RANKS


def _held_by_rank(folder: Path, options: dict[str, Any]) -> int:
    planner = make_planner(read_text(folder).corpus, warmup_passes=0, **options)
    planner.assistant.expected(planner.folder.ids[:1])  # reads the corpus, where that is needed
    now = planner.begin_pass(1, GROUP)
    for _ in range(min(WINDOWS, now.windows)):
        planner.plan_next()
    # What was needed for a moment only is given back, or its remains would count as per pair.
    ctypes.CDLL(None).malloc_trim(0)
    own = own_bytes(os.getpid())
    assert planner.live, "its plans are among what is held"
    return own


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
