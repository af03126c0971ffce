"""How fast the Assistant is: medians of repeats, beside fairseq's own packing in the same run."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.passes import LARGEST_WINDOW
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.promise import Pairs
from autoassist_fairseq.settings import Settings
from autoassist_fairseq.tools import synthetic

Packing = Callable[[NDArray[np.int32], NDArray[np.int32]], list[NDArray[np.int64]]]

GROUP = 8  # batches per update: 8 GPUs
BUDGET = Budget(max_tokens=5000, max_pairs=0, multiple=8)
UPDATE_PAIRS = 1_500
SCORED = 32_768
REPEATS = 5


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    value: str
    beside: str = ""


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median CPU-bound wall time of ``work`` over ``repeats``, after one warm-up."""
    work()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def padding(batches: list[NDArray[np.int64]], *sides: NDArray[np.int32]) -> float:
    """Return padded tokens / tokens over both sides of ``batches``."""
    padded = sum(len(batch) * int(side[batch].max()) for batch in batches for side in sides)
    return padded / sum(int(side[batch].sum()) for batch in batches for side in sides)


def make_planner(pairs: int, **options: Any) -> Planner:
    """Return a planner over a synthetic corpus of ``pairs``."""
    corpus, source, target = synthetic.corpus(pairs)
    settings = Settings(**options)
    assistant = Assistant(corpus, settings, LARGEST_WINDOW)
    return Planner(
        assistant, Pairs(np.arange(pairs, dtype=np.int32), source, target), BUDGET, settings
    )


def plan_pass(planner: Planner) -> list[NDArray[np.int64]]:
    """Plan one pass without its losses; return its batches."""
    now = planner.begin_pass(1, GROUP)
    plans = [planner.plan_next() for _ in range(now.windows)]
    return [plan.batches.batch(i) for plan in plans for i in range(len(plan.batches))]


def measure(pairs: int, stock: Packing | None) -> list[Row]:
    """Return the table for a corpus of ``pairs``; ``stock`` packs as fairseq does."""
    planner = make_planner(pairs, warmup_passes=0)
    assistant, sizes = planner.assistant, planner.pairs
    some = np.random.default_rng(0).permutation(sizes.ids)[:SCORED]
    losses = np.random.default_rng(1).random(UPDATE_PAIRS, np.float32)
    score = seconds(lambda: assistant.keep_probability(some))
    learn = seconds(lambda: assistant.learn(some[:UPDATE_PAIRS], losses))
    plan = seconds(lambda: plan_pass(planner), 3)
    rows = [
        Row("deciding keep/skip, pairs/s on one core", f"{len(some) / score:,.0f}"),
        Row("learning from losses, pairs/s on one core", f"{UPDATE_PAIRS / learn:,.0f}"),
        Row(f"planning a shrinking pass of {pairs:,} pairs, s", f"{plan:.2f}"),
    ]
    return rows if stock is None else [*rows, *beside_stock(pairs, stock)]


def beside_stock(pairs: int, stock: Packing) -> list[Row]:
    """Return the rows that compare a pass that keeps everything with fairseq's own packing."""
    planner = make_planner(pairs, policy="uniform")
    source, target = planner.pairs.source_sizes, planner.pairs.target_sizes
    ours = seconds(lambda: plan_pass(planner), 3)
    theirs = seconds(lambda: stock(source, target), 3)
    first = seconds(lambda: (planner.begin_pass(1, GROUP), planner.plan_next()), 3)
    mine, its = plan_pass(planner), stock(source, target)
    pads = padding(mine, source, target), padding(its, source, target)
    return [
        Row("planning a pass that keeps all, s", f"{ours:.2f}", f"{theirs:.2f} (fairseq)"),
        Row("to the first batch of that pass, s", f"{first:.2f}", f"{theirs:.2f} (fairseq)"),
        Row("padded tokens / tokens", f"{pads[0]:.4f}", f"{pads[1]:.4f} (fairseq)"),
        Row("batches", f"{len(mine):,}", f"{len(its):,} (fairseq)"),
    ]


def main(stock: Packing | None = None) -> None:
    """Print the table (Markdown, stdout)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=450_000, help="default: %(default)s")
    options = parser.parse_args()
    print(f"| {options.pairs:,} pairs, medians | here | beside |\n|---|---|---|")
    for row in measure(options.pairs, stock):
        print(f"| {row.what} | {row.value} | {row.beside} |", flush=True)
