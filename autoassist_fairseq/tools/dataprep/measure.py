"""How fast data preparation is and what memory it takes, on made-up text of several sizes.

::

    python -m autoassist_fairseq.tools.dataprep.measure --pairs 50000 100000 200000

The text has WMT14's sentence lengths, words by Zipf's law, and commas and full stops, so that
tokenisers have something to do. Memory is the proportional set size of all processes together.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from autoassist_fairseq.errors import UserError, run_main
from autoassist_fairseq.tools.dataprep.processes import Cost, family_cost
from autoassist_fairseq.tools.dataprep.progress import progress
from autoassist_fairseq.tools.dataprep.settings import TRACKS

_WORDS = 300_000
_MEAN, _DEVIATION, _LONGEST = 25.0, 0.6, 200  # words of a sentence; deviation of the log
_SYLLABLES = tuple(a + b + c for a in "bdfgklmnprst" for b in "aeiouäö" for c in ("", "n", "rt"))
_LOOK_EVERY = 0.1  # seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a Markdown table."""
    options = _parser().parse_args(arguments)
    if min(options.pairs) < 1:
        raise UserError(f"`--pairs` must be at least 1, but is {min(options.pairs)}.")
    print(
        "| pairs | step | seconds | CPU seconds | lines/s | peak MiB |\n|---|---|---|---|---|---|"
    )
    for pairs in options.pairs:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            for row in _measured(Path(folder), pairs, options):
                print(f"| {' | '.join(row)} |", flush=True)
    return 0


def write_text(folder: Path, name: str, pairs: int, seed: int) -> list[str]:
    """Write ``pairs`` sentence pairs; returns the paths of source and target."""
    rng = np.random.default_rng(seed)
    words = _vocabulary()
    weights = 1 / np.arange(10, _WORDS + 10)
    chances = np.cumsum(weights / weights.sum())
    centre = np.log(_MEAN) - _DEVIATION**2 / 2
    paths = [folder / f"{name}.{language}" for language in ("en", "de")]
    with (
        paths[0].open("w", encoding="utf-8") as source,
        paths[1].open("w", encoding="utf-8") as target,
    ):
        for _ in progress(range(pairs), f"writing {name}"):
            length = min(_LONGEST, max(2, int(rng.lognormal(centre, _DEVIATION))))
            for side in (source, target):
                chosen = np.searchsorted(chances, rng.random(length))
                side.write(f"{' '.join(words[place] for place in chosen)}.\n")
    return [str(path) for path in paths]


def _vocabulary() -> list[str]:
    """Words of one to four syllables, short ones first; some have a comma."""
    rng = np.random.default_rng(0)
    words: dict[str, None] = {}
    while len(words) < _WORDS:
        longer = sum(len(words) >= limit for limit in (100, 10_000, 100_000))
        syllables = rng.integers(len(_SYLLABLES), size=1 + longer)
        word = "".join(_SYLLABLES[place] for place in syllables)
        words[word.capitalize() if len(words) % 4 == 0 else word] = None
        if len(words) % 10 == 0:
            words[f"{word},"] = None
    return list(words)[:_WORDS]


def _measured(folder: Path, pairs: int, options: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    command = [sys.executable, "-m", "autoassist_fairseq.tools.dataprep", "corpus"]
    command += ["--source-lang", "en", "--target-lang", "de", "--out", str(folder / "out")]
    command += ["--workers", str(options.workers), "--track", options.track]
    command += ["--vocab-size", str(options.vocab_size)]
    for split, count in (("train", pairs), ("valid", 1_000), ("test", 1_000)):
        command += [f"--{split}", *write_text(folder, split, count, seed=count)]
    costs = _costs(command)
    manifest = json.loads((folder / "out" / "manifest.json").read_text(encoding="utf-8"))
    seconds = {step["name"]: step["seconds"] for step in manifest["steps"]}
    lines = {step["name"]: step["counts"].get("lines", 2 * pairs) for step in manifest["steps"]}
    for name in ("text-train", "subwords", "pieces-train", "binarise"):
        yield _row(pairs, name, lines[name], seconds[name], costs[name])
    everything = Cost(
        sum(cost.cpu for cost in costs.values()), max(cost.peak for cost in costs.values())
    )
    yield _row(pairs, "all", 2 * pairs, sum(seconds.values()), everything)


def _row(pairs: int, name: str, lines: int, seconds: float, cost: Cost) -> tuple[str, ...]:
    rate = f"{lines / seconds:,.0f}"
    return f"{pairs:,}", name, f"{seconds:,.1f}", f"{cost.cpu:,.1f}", rate, f"{cost.peak:,.0f}"


def _costs(command: Sequence[str]) -> dict[str, Cost]:
    """Run ``command``; returns what each of its steps cost."""
    step, spent = "start", 0.0
    costs = {step: Cost()}
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=sys.stderr) as child:
        assert child.stderr is not None
        os.set_blocking(child.stderr.fileno(), False)
        while child.poll() is None:
            time.sleep(_LOOK_EVERY)
            begun = _shown(child.stderr)
            now = family_cost(child.pid)
            costs[step] = Cost(
                costs[step].cpu + max(0.0, now.cpu - spent), max(costs[step].peak, now.peak)
            )
            spent = max(spent, now.cpu)
            if begun:
                step = begun[-1]
                costs.setdefault(step, Cost())
        _shown(child.stderr)
    if child.returncode:
        raise UserError("Preparation failed; what it said is above.")
    return costs


def _shown(stream: IO[bytes]) -> list[str]:
    """Pass on what the child says; returns the steps that it says have begun."""
    said = (stream.read() or b"").decode(errors="replace")
    sys.stderr.write(said)
    sys.stderr.flush()
    lines = (line.rpartition("\r")[2].strip() for line in said.split("\n"))
    return [line.removesuffix(" ...") for line in lines if line.endswith(" ...")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="measure",
        description="Measure data preparation on made-up text.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    sizes = [50_000, 100_000, 200_000]
    parser.add_argument("--pairs", type=int, nargs="+", default=sizes, help="sizes to measure")
    parser.add_argument("--track", choices=TRACKS, default="raw", help="as of the scripts")
    parser.add_argument("--workers", type=int, default=2, help="as of the scripts")
    parser.add_argument("--vocab-size", type=int, default=32_000, help="as of the scripts")
    parser.add_argument("--folder", type=Path, help="for what is made and removed again")
    return parser


if __name__ == "__main__":
    run_main(main)
