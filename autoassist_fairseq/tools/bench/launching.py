"""From launch to first batch, and memory, with the real plug-in beside stock ``fairseq-train``."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from autoassist_fairseq.tools.bench.programs import OURS, PAPER, Watched, tiny_model, watch
from autoassist_fairseq.tools.bench.rows import Row
from autoassist_fairseq.tools.common.child import program

MAX_TOKENS = 400
UPDATES = 50
# What reads the text of the pairs before the first update.
READING = {
    "with the defaults": OURS,
    "with easy pairs first": (*OURS, "--autoassist-policy", "competence", "--max-epoch", "5"),
}


def start(data: Path, task: Sequence[str] = (), updates: int = 1, workers: int = 1) -> Watched:
    """Train a tiny model on ``data`` up to ``updates``, as fairseq does or with our ``task``."""
    words = [program("fairseq-train"), data, *tiny_model(), *task]
    # fairseq makes its folder for checkpoints even where it saves none.
    words += ["--save-dir", data, "--max-tokens", MAX_TOKENS, "--num-workers", workers]
    return watch(words, updates)


def ratio_row(data: Path, smaller: Path, repeats: int, target: float) -> Row:
    """Measure starts on ``data`` in turns, after one on ``smaller``."""
    start(smaller, PAPER)  # compiles what Numba keeps on disk
    starts = [(start(data, PAPER), start(data)) for _ in range(repeats)]
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
        mine, its = (start(data, task, UPDATES, workers) for task in (PAPER, ()))
        yield Row(
            f"start and {UPDATES} updates, {pairs:,} pairs, --num-workers {workers}, s",
            mine.seconds,
            beside=f"fairseq {its.seconds:.2f}; peak of its own memory {_mib(mine)}, fairseq "
            f"{_mib(its)}",
        )


def reading(data: Path, smaller: Path, pairs: int) -> Iterator[Row]:
    """Tell time and peak memory up to the first update where text is read before it."""
    for what, task in READING.items():
        start(smaller, task)  # compiles what Numba keeps on disk
        mine, its = start(data, task), start(data)
        yield Row(
            f"from launch to the first update {what}, {pairs:,} pairs, s",
            mine.first,
            beside=f"fairseq {its.first:.2f}; peak of its own memory {_mib(mine)}, fairseq "
            f"{_mib(its)}",
        )


def _mib(seen: Watched) -> str:
    return f"{seen.peak / 2**20:,.0f} MiB"
