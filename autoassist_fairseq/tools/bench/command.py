"""The command line of ``autoassist bench``."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.bench import kernels, launching, planning, training, waiting
from autoassist_fairseq.tools.bench.planning import Packing
from autoassist_fairseq.tools.bench.rows import HEAD, QUICK_SLACK, Row, verdict
from autoassist_fairseq.tools.dataprep.manifest import version_of
from autoassist_fairseq.tools.report.corpus import read_text
from autoassist_fairseq.tools.synthetic.files import write_corpus
from autoassist_fairseq.tools.synthetic.shape import Shape

PAIRS, QUICK_PAIRS = 4_500_000, 450_000
LEAST_PAIRS = 20_000
SMALLER = 10  # times
# Few words and pairs, so that passes end within a minute.
TRAINED, QUICK_TRAINED = Shape(pairs=2_000, words=4_000), Shape(pairs=700, words=2_000)
GROUPS = ("kernels", "planning", "waiting", "launching", "training")


def main(packing: Packing, arguments: Sequence[str] | None = None) -> int:
    """Print the table (Markdown, stdout); return 1 if a target was missed.

    Args:
        packing: packs as fairseq does.
        arguments: of the command line.
    """
    options = _parser().parse_args(arguments)
    pairs = options.pairs or (QUICK_PAIRS if options.quick else PAIRS)
    if pairs < LEAST_PAIRS:
        raise UserError(f"`--pairs` must be {LEAST_PAIRS} or more, but is {pairs}.")
    groups = options.only.split(",") if options.only else GROUPS
    if not set(groups) <= set(GROUPS):
        raise UserError(
            f"`--only` must name groups of rows ({', '.join(GROUPS)}), but is {options.only}."
        )
    slack = QUICK_SLACK if options.quick else 1.0
    print(f"{machine()}\n\n{HEAD}", flush=True)
    rows = []
    with tempfile.TemporaryDirectory(prefix="autoassist-bench-") as folder:
        for row in measure(Path(folder), pairs, options.quick, groups, packing):
            print(row.line(slack), flush=True)
            rows.append(row)
    told = verdict(rows, slack)
    print(told or "every target was met", file=sys.stderr)
    return 1 if told else 0


def measure(
    folder: Path, pairs: int, quick: bool, groups: Sequence[str], packing: Packing
) -> Iterator[Row]:
    """Yield the rows of ``groups``; corpora go to ``folder``."""
    large, small, tiny = (folder / name for name in ("large", "small", "tiny"))
    fewer = pairs // SMALLER
    trained = QUICK_TRAINED if quick else TRAINED
    for data, shape in ((large, Shape(pairs)), (small, Shape(fewer)), (tiny, trained)):
        write_corpus(data, shape)
    corpus = read_text(large).corpus
    if "kernels" in groups:
        yield from kernels.rows(corpus)
    if "planning" in groups:
        yield from planning.rows(large, small, packing)
    if "waiting" in groups:
        # A pass of a small corpus is shorter, but not its first window, which must be waited for.
        yield waiting.row(corpus, *((150, 1.0) if quick else (1_000, 0.5)))
    if "launching" in groups:
        # What fairseq packs of a small corpus is over before Numba is imported.
        repeats, target = (2, 1.25) if quick else (3, 1.0)
        yield launching.ratio_row(large, small, repeats, target)
        if not quick:
            yield from launching.first_updates(large, pairs)
            yield from launching.reading(large, small, pairs)
    if "training" in groups:
        yield from training.rows(large, tiny, quick)


def machine() -> str:
    """Return one line on processor, cores, load and versions."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    model = found[1] if found else platform.processor()
    versions = ", ".join(
        f"{name} {version_of(name)}" for name in ("fairseq", "torch", "numpy", "numba")
    )
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return (
        f"{model}, {cores} cores, load {load:.1f} at the start; Python "
        f"{platform.python_version()}, {versions}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="autoassist bench",
        description="Measure the Assistant against its targets, beside fairseq in the same run; "
        "exit status 1 if one is missed by more than 10%.",
    )
    quick = f"{QUICK_PAIRS:,} pairs, few repeats; missed is what is {QUICK_SLACK:g} times worse"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--pairs", type=int, help=f"of the corpus (default: {PAIRS:,})")
    parser.add_argument("--only", metavar="GROUPS", help=f"of {','.join(GROUPS)}")
    return parser
