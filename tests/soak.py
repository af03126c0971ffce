"""``make soak``: kill runs at random many times, inject every fault, and report it as a table."""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from binarised import make_corpus
from exactness import Setup, assert_resumes_exactly, choose_kills
from training import ENVIRONMENT, Server

HERE = Path(__file__).parent
PAIRS, PASSES = 650, 2
INTERVALS = (3, 5, 8)
SPREADS = [*itertools.product((1, 2), (1, 2), (0, 2))]
FAULTS = ("test_faults.py", "test_faults_left_behind.py", "test_precision.py")


def soak_round(server: Server, data: Path, folder: Path, seed: list[int]) -> tuple[int, str]:
    """Kill one run several times; return how often, and what differed ("" if nothing did)."""
    rng = np.random.default_rng(seed)
    ranks, freq, workers = SPREADS[seed[-1] % len(SPREADS)]
    interval = int(rng.choice(INTERVALS))
    flags = (
        *("--batch-size", 8 // (ranks * freq), "--batch-size-valid", 40, "--max-epoch", PASSES),
        *("--num-workers", workers, "--save-interval-updates", interval),
        *("--seed", int(rng.integers(1, 1000))),
    )
    setup = Setup(data, flags, ranks, (freq,))
    try:
        unbroken = setup.launch(server, folder / "unbroken")
        kills = choose_kills(unbroken, rng)
        assert_resumes_exactly(server, setup, unbroken, kills, interval, folder / "broken")
    except AssertionError as error:
        return 4, f"ranks {ranks}, update-freq {freq}, workers {workers}, seed {seed}: {error}"
    return len(kills), ""


def inject_faults(folder: Path) -> tuple[int, int]:
    """Run the tests that inject faults; return how many there are, and how many passed."""
    report = folder / "faults.xml"
    tests = [str(HERE / name) for name in FAULTS]
    command = [sys.executable, "-m", "pytest", "-q", *tests, f"--junitxml={report}"]
    subprocess.run(command, env=ENVIRONMENT, stdout=sys.stderr, check=False, cwd=HERE.parent)
    counts = ET.parse(report).getroot().find("testsuite")
    assert counts is not None
    number = {name: int(counts.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    injected = number["tests"] - number["skipped"]
    return injected, injected - number["failures"] - number["errors"]


def main() -> int:
    """Print the table; exit status 1 if anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="at least so many (default: 100)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    killed = identical = injected = survived = 0
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name))
        data = make_corpus(server, Path(name) / "corpus", PAIRS).data
        for number in itertools.count():
            if killed >= options.kills:
                break
            folder = Path(name) / str(number)
            folder.mkdir()
            kills, difference = soak_round(server, data, folder, [options.seed, number])
            killed, identical = killed + kills, identical + (0 if difference else kills)
            print(f"soak: {killed} of {options.kills} kills {difference}", file=sys.stderr)
        server.close()
        injected, survived = inject_faults(Path(name))
    print("| kills | identical resumes | faults injected | survived |\n|---|---|---|---|")
    print(f"| {killed} | {identical} | {injected} | {survived} |")
    return int(identical < killed or survived < injected)


if __name__ == "__main__":
    sys.exit(main())
