"""What the plug-in costs while it trains: real runs, timed from within by ``autoassist bench``."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from autoassist_fairseq.tools.bench.programs import (
    ON_CPU,
    OURS,
    environment,
    failed,
    tiny_model,
)
from autoassist_fairseq.tools.bench.rows import Row

# Transformer base (Vaswani et al. 2017).
BASE = f"--arch transformer {ON_CPU} --log-format none --max-tokens 256 --num-workers 0"
WARM = 2  # updates that warm up, not counted
GLOO = ("--distributed-backend", "gloo", "--ddp-backend", "legacy_ddp")
Seen = dict[str, Any]


class Trainer:
    """Starts ``fairseq-train`` through the script that times it.

    Args:
        script: ``autoassist bench``.
        folder: for what it writes.
    """

    def __init__(self, script: Path, folder: Path) -> None:
        self._script, self._folder, self._count = script, folder, 0

    def start(
        self,
        data: Path,
        flags: Sequence[object],
        core: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Any:
        """Start a run, bound to a ``core`` if one is given; `end` waits for it."""
        self._count += 1
        times = self._folder / f"{self._count}.json"
        words = [sys.executable, self._script, "--train", times, data, *flags]
        words += ["--save-dir", self._folder]  # fairseq makes it even where it saves nothing
        process = subprocess.Popen(
            [str(word) for word in words],
            env={**environment(), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
        )
        return process, times

    def end(self, started: Any) -> Seen:
        """Return what a started run measured."""
        process, times = started
        output = process.communicate()[0]
        if process.returncode:
            raise failed(["fairseq-train"], output.splitlines(keepends=True))
        return dict(json.loads(times.read_text()))

    def run(self, data: Path, *flags: object) -> Seen:
        """Run to the end."""
        return self.end(self.start(data, flags))


def tap_row(trainer: Trainer, data: Path, updates: int) -> Row:
    """Measure what is ours within each update of a Transformer base on the CPU."""
    seen = trainer.run(data, *BASE.split(), *OURS, "--max-update", updates)
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


def sharing_row(trainer: Trainer, data: Path, port: int, updates: int) -> Row:
    """Measure what sharing the feedback adds on two ranks with gloo."""
    flags = [*BASE.split(), *GLOO, *OURS, "--max-update", updates]
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    ranks = [
        trainer.start(data, flags, env={**places, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    seen = [trainer.end(rank) for rank in ranks]
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


def end_to_end_row(trainer: Trainer, data: Path, epochs: int, rounds: int) -> Row:
    """Train shrink beside uniform at the same time, one core each, and change cores in turns.

    CPU time counts, because a clock measures the other runs of a busy machine; that nobody waits
    for the Assistant is `waiting`'s to show.
    """
    model = [*tiny_model(128, 2), "--max-tokens", 500, "--num-workers", 0, "--max-epoch", epochs]
    ratios: dict[str, list[float]] = {"seconds": [], "cpu": [], "tokens": []}
    cores = sorted(os.sched_getaffinity(0))[:2]
    for turn in range(rounds):
        started = [
            trainer.start(
                data, [*model, *OURS, "--autoassist-policy", name], cores[(turn + i) % len(cores)]
            )
            for i, name in enumerate(("shrink", "uniform"))
        ]
        mine, its = (_after_warm_up(trainer.end(run)) for run in started)
        for name, values in ratios.items():
            values.append(mine[name] / its[name])
    tokens = statistics.fmean(ratios["tokens"])
    wall, cpu = (
        statistics.median(t / k for t, k in zip(ratios[name], ratios["tokens"], strict=True))
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


def rows(trainer: Trainer, large: Path, small: Path, port: int, quick: bool) -> Iterator[Row]:
    """Yield every row of a run that trains: ``large`` to plan from, ``small`` to train through."""
    updates = WARM + (3 if quick else 20)
    yield tap_row(trainer, large, updates)
    yield sharing_row(trainer, large, port, updates)
    yield end_to_end_row(trainer, small, 3, 1 if quick else 2)
