"""What the plug-in costs while it trains: real runs, timed from within by ``autoassist bench``."""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from autoassist_fairseq.tools.bench.programs import ON_CPU, PAPER, run_together, tiny_model
from autoassist_fairseq.tools.bench.rows import Row

# Transformer base (Vaswani et al. 2017).
BASE = f"--arch transformer {ON_CPU} --log-format none --max-tokens 256 --num-workers 0"
WARM = 2  # updates that warm up, not counted
TWO_RANKS = (
    "--distributed-backend gloo --ddp-backend legacy_ddp --distributed-world-size 2 "
    "--distributed-no-spawn"
)
# As a program it is fairseq-train that writes down its times.
TIMED = ("-m", "autoassist_fairseq.probes.bench", "--train")
Seen = dict[str, Any]


def train(data: Path, *runs: Sequence[object], cores: Sequence[int] = ()) -> list[Seen]:
    """Train on ``data`` with the flags of each of ``runs`` at the same time.

    Args:
        data: folder of the corpus, where each run also writes its times.
        runs: flags of ``fairseq-train``.
        cores: one for each run, which is bound to it; empty for the system's choice.

    Raises:
        UserError: one failed; the others were ended.
    """
    times = [data / f"times{number}.json" for number in range(len(runs))]
    # fairseq makes its folder for checkpoints even where it saves none.
    commands = [
        [sys.executable, *TIMED, file, data, "--save-dir", data, *flags]
        for file, flags in zip(times, runs, strict=True)
    ]
    run_together(commands, [file.with_suffix(".log") for file in times], cores)
    return [json.loads(file.read_text()) for file in times]


def tap_row(data: Path, updates: int) -> Row:
    """Measure what is ours within each update of a Transformer base on the CPU."""
    (seen,) = train(data, [*BASE.split(), *PAPER, "--max-update", updates])
    steps, ours = seen["step"][WARM:], seen["ours"][WARM:]
    step = statistics.median(steps)
    return Row(
        "tap and feedback per update, % of a base Transformer's CPU step",
        100 * statistics.median(ours) / step,
        0.5,
        "{:.3f}",
        beside=f"{1e3 * statistics.median(ours):.2f} ms of {1e3 * step:,.0f} ms; the Assistant's "
        f"thread {1e3 * statistics.median(seen['learn'][WARM:]):.2f} CPU ms beside it",
    )


def sharing_row(data: Path, updates: int) -> Row:
    """Measure what sharing the feedback adds on two ranks with gloo."""
    flags = [*BASE.split(), *TWO_RANKS.split(), *PAPER, "--max-update", updates]
    flags += ["--distributed-init-method", f"file://{data.resolve()}/meeting", "--distributed-rank"]
    seen = train(data, [*flags, 0], [*flags, 1])
    step, share = (
        [max(pair) for pair in zip(*(one[name][WARM:] for one in seen), strict=True)]
        for name in ("step", "share")
    )
    # Where one rank is late the other waits for it here instead of later: the shorter time counts.
    least = [min(pair) for pair in zip(*(one["share"][WARM:] for one in seen), strict=True)]
    return Row(
        "two ranks: sharing feedback, % of the step",
        100 * statistics.median(least) / statistics.median(step),
        0.5,
        "{:.3f}",
        beside=f"{1e3 * statistics.median(least):.2f} ms of {1e3 * statistics.median(step):,.0f} ms"
        f"; with waiting for the later rank {1e3 * statistics.median(share):.2f} ms",
    )


def end_to_end_row(data: Path, epochs: int, rounds: int) -> Row:
    """Train shrink beside uniform at the same time, one core each, and change cores in turns.

    CPU time counts, because a clock measures the other runs of a busy machine; that nobody waits
    for the Assistant is `waiting`'s to show.
    """
    model = [*tiny_model(128, 2), "--max-tokens", 500, "--num-workers", 0, "--max-epoch", epochs]
    shrink, uniform = ([*model, *PAPER, "--autoassist-policy", p] for p in ("shrink", "uniform"))
    available = sorted(os.sched_getaffinity(0))
    cores = [available[0], available[:2][-1]]
    ratios = []
    for _ in range(rounds):
        mine, its = map(_after_warm_up, train(data, shrink, uniform, cores=cores))
        ratios.append({name: mine[name] / its[name] for name in mine})
        cores.reverse()
    tokens = statistics.fmean(ratio["tokens"] for ratio in ratios)
    wall, cpu = (
        statistics.median(ratio[name] / ratio["tokens"] for ratio in ratios)
        for name in ("seconds", "cpu")
    )
    return Row(
        "end to end: (CPU time per epoch ratio) / (token ratio), shrink beside uniform",
        cpu,
        1.02,
        "{:.3f}",
        ratio=True,
        beside=f"{wall:.3f} by the clock; {tokens:.3f} of the tokens; {rounds} runs, "
        f"passes 2 to {epochs}",
    )


def _after_warm_up(seen: Seen) -> dict[str, float]:
    """Return the sums over all passes but the first."""
    return {name: sum(epoch[name] for epoch in seen["epochs"][1:]) for name in seen["epochs"][0]}


def rows(large: Path, small: Path, quick: bool) -> Iterator[Row]:
    """Yield every row of a run that trains: ``large`` to plan from, ``small`` to train through."""
    updates = WARM + (3 if quick else 20)
    yield tap_row(large, updates)
    yield sharing_row(large, updates)
    yield end_to_end_row(small, 3, 1 if quick else 2)
