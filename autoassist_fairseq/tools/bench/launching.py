"""From launch to first batch, and memory, with the real plug-in beside stock ``fairseq-train``."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from autoassist_fairseq.tools.bench.programs import PAPER, Watched, tiny_model, watch
from autoassist_fairseq.tools.bench.rows import Row
from autoassist_fairseq.tools.common.child import program

MAX_TOKENS = 400
UPDATES = 50


def start(data: Path, ours: bool, updates: int = 1, workers: int = 1) -> Watched:
    """Train a tiny model on ``data`` up to ``updates``."""
    words = [program("fairseq-train"), data, *tiny_model(), *(PAPER if ours else ())]
    # fairseq makes its folder for checkpoints even where it saves none.
    words += ["--save-dir", data, "--max-tokens", MAX_TOKENS, "--num-workers", workers]
    return watch(words, updates)


def ratio_row(data: Path, smaller: Path, repeats: int, target: float) -> Row:
    """Measure starts on ``data`` in turns, after one on ``smaller``."""
    start(smaller, ours=True)  # compiles what Numba keeps on disk
    starts = [(start(data, ours=True), start(data, ours=False)) for _ in range(repeats)]
    times = [[one.first for one in side] for side in zip(*starts, strict=True)]
    return Row(
        "from launch to the first update, beside fairseq in the same run, ratio",
        statistics.median(mine / its for mine, its in zip(*times, strict=True)),
        target,
        ratio=True,
        beside=" / ".join(f"{statistics.median(t):.2f} s" for t in times)
        + f" (fairseq), {repeats} times in turns",
    )


def first_updates(data: Path, pairs: int) -> Iterator[Row]:
    """Tell time and peak memory of the first updates with and without loading processes."""
    for workers in (0, 2):
        mine, its = (start(data, ours, UPDATES, workers) for ours in (True, False))
        yield Row(
            f"start and {UPDATES} updates, {pairs:,} pairs, --num-workers {workers}, s",
            mine.seconds,
            beside=f"fairseq {its.seconds:.2f}; peak of its own memory {_mib(mine)}, fairseq "
            f"{_mib(its)}",
        )


def _mib(seen: Watched) -> str:
    return f"{seen.peak / 2**20:,.0f} MiB"
