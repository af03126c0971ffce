"""``make soak``: kill runs at random many times, inject every fault, and report it as a table."""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from binarised import make_corpus
from exactness import Setup, assert_resumes_exactly
from kills import Kill, Moment, choose_kills
from training import ENVIRONMENT, Run, Server

HERE = Path(__file__).parent
PAIRS, PASSES = 650, 2
INTERVALS = (3, 5, 8)
MOMENTS = 4
SPREADS = [*itertools.product((1, 2), (1, 2), (0, 2))]
FAULTS = (
    *("test_faults.py", "test_faults_left_behind.py", "test_precision.py"),
    "test_stock_flags.py",  # each of fairseq's flags with each policy
)


@dataclass(frozen=True)
class Round:
    """One run, and the kills that it was tried with.

    Attributes:
        spread: ranks, update-freq and workers.
        kills: how often it was killed.
        difference: what was not as in the run that was never stopped; "" if nothing.
    """

    spread: tuple[int, int, int]
    kills: int
    difference: str = ""


def rounds(server: Server, data: Path, folder: Path, seed: int) -> Iterator[Round]:
    """Try one run after the other, with another spread, seed and interval between saves each."""
    for number in itertools.count():
        yield from one_run(server, data, folder / str(number), [seed, number])
        shutil.rmtree(folder / str(number))


def one_run(server: Server, data: Path, folder: Path, seed: list[int]) -> Iterator[Round]:
    """Kill a run after some of its micro-batches, and then another one like it at any moment."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    ranks, freq, workers = spread = SPREADS[seed[-1] % len(SPREADS)]
    interval = int(rng.choice(INTERVALS))
    flags = (
        *("--batch-size", 8 // (ranks * freq), "--batch-size-valid", 40, "--max-epoch", PASSES),
        *("--num-workers", workers, "--save-interval-updates", interval),
        *("--seed", int(rng.integers(1, 1000))),
    )
    setup = Setup(data, flags, ranks, (freq,))
    begin = time.monotonic()
    unbroken = setup.launch(server, folder / "unbroken")
    taken = time.monotonic() - begin
    seconds = rng.uniform(0, taken / 2, MOMENTS).tolist()
    moments = [Moment(int(rng.integers(ranks)), after) for after in seconds]
    plans: dict[str, Sequence[Kill | Moment]] = {
        "places": choose_kills(unbroken, rng),
        "moments": moments,
    }
    for name, kills in plans.items():
        yield try_kills(server, setup, unbroken, kills, interval, folder / name, spread)


def try_kills(
    server: Server,
    setup: Setup,
    unbroken: Sequence[Run],
    kills: Sequence[Kill | Moment],
    interval: int,
    folder: Path,
    spread: tuple[int, int, int],
) -> Round:
    """Run the check that the tests use, and keep what it finds."""
    try:
        killed = assert_resumes_exactly(server, setup, unbroken, kills, interval, folder)
    except AssertionError as error:
        return Round(spread, len(kills), f"{kills} of {setup.flags}: {error}")
    return Round(spread, killed)


def inject_faults(folder: Path) -> tuple[int, int]:
    """Run the tests that inject faults; return how many there are, and how many passed."""
    report = folder / "faults.xml"
    tests = [str(HERE / name) for name in FAULTS]
    command = [sys.executable, "-m", "pytest", "-q", *tests, f"--junitxml={report}"]
    every = {**ENVIRONMENT, "AUTOASSIST_EVERY_FLAG": "1"}
    subprocess.run(command, env=every, stdout=sys.stderr, check=False, cwd=HERE.parent)
    counts = ET.parse(report).getroot().find("testsuite")
    assert counts is not None
    number = {name: int(counts.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    injected = number["tests"] - number["skipped"]
    return injected, injected - number["failures"] - number["errors"]


def kill_many(folder: Path, wanted: int, seed: int) -> tuple[Counter[object], Counter[object]]:
    """Kill at least ``wanted`` times; return kills and identical resumes by spread."""
    killed: Counter[object] = Counter()
    identical: Counter[object] = Counter()
    server = Server(folder)
    data = make_corpus(server, folder / "corpus", PAIRS).data
    for found in rounds(server, data, folder, seed):
        killed[found.spread] += found.kills
        identical[found.spread] += 0 if found.difference else found.kills
        total = sum(killed.values())
        print(f"soak: {total} of {wanted} kills {found.difference}", file=sys.stderr)
        if total >= wanted:
            break
    server.close()
    return killed, identical


def main() -> int:
    """Print the tables (Markdown, stdout); exit status 1 if anything differed or fell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="at least so many (default: 100)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-faults", action="store_true", help="only kill and resume")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        killed, identical = kill_many(Path(name), options.kills, options.seed)
        injected, survived = (0, 0) if options.no_faults else inject_faults(Path(name))
    print("| ranks | update-freq | workers | kills | identical resumes |\n|---|---|---|---|---|")
    for spread in (spread for spread in SPREADS if killed[spread]):
        print(f"| {' | '.join(map(str, spread))} | {killed[spread]} | {identical[spread]} |")
    kills, same = sum(killed.values()), sum(identical.values())
    print("\n| kills | identical resumes | faults injected | survived |\n|---|---|---|---|")
    print(f"| {kills} | {same} | {injected} | {survived} |")
    return int(same < kills or survived < injected)


if __name__ == "__main__":
    sys.exit(main())
