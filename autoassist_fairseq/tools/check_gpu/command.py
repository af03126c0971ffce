"""The command line of ``autoassist check-gpu``."""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.check_gpu import (
    evidence,
    lines,
    machine,
    ranks,
    small_runs,
    syncs,
    throughput,
)
from autoassist_fairseq.tools.check_gpu.checks import Check, Row
from autoassist_fairseq.tools.check_gpu.flags import CORPORA
from autoassist_fairseq.tools.check_gpu.lanes import run_all
from autoassist_fairseq.tools.check_gpu.planning import Timetable
from autoassist_fairseq.tools.check_gpu.runner import Runner
from autoassist_fairseq.tools.check_gpu.store import TABLE, Store, key_of
from autoassist_fairseq.tools.common.files import check_unsplit, locked
from autoassist_fairseq.tools.common.progress import say
from autoassist_fairseq.tools.synthetic.files import write_corpus

# Parts in order, and their shares of the time: on a GPU the most telling first.
SHARES = {
    "runs": 0.30,
    "throughput": 0.30,
    "syncs": 0.10,
    "ranks": 0.10,
    "lines": 0.05,
    "evidence": 0.15,
}
MOST_LANES = 6
# Seconds kept back for starting, ending and writing.
RESERVE = 8.0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = argparse.ArgumentParser(
        prog="autoassist check-gpu",
        description="Check on a GPU what only a GPU can show, and measure it: a table, written as "
        "it grows. A second run does only what is left to do. Exit status 1 if a row fails.",
    )
    add = p.add_argument
    add("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: a dry run that goes the "
        "same ways with tiny models (default: %(default)s)")  # fmt: skip
    add("--parts", default=",".join(SHARES), metavar="A,B,..", help="default: %(default)s")
    add("--minutes", type=float, metavar="N", help="for all of it; each part has its share, and "
        "rows that do not fit are not run (default: as long as it takes)")  # fmt: skip
    add("--out", type=Path, default=Path("check-gpu"), metavar="DIR", help="folder of the table "
        "and of all that is made for it (default: %(default)s)")  # fmt: skip
    add("--data", type=Path, metavar="DIR", help="binarised corpus for evidence, with its text "
        "(default: the demo's, made here)")  # fmt: skip
    add("--jobs", type=int, metavar="N", help="small runs side by side (default: half the cores, "
        f"2 to {MOST_LANES})")  # fmt: skip
    add("--json", action="store_true", help="print the result for machines")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the table goes to stdout."""
    args = parser().parse_args(argv)
    parts = parts_of(args.parts)
    for option, value in (("--minutes", args.minutes), ("--jobs", args.jobs)):
        if value is not None and value <= 0:
            raise UserError(f"`{option}` must be above 0, but is {value}.")
    if args.data is not None and not args.data.is_dir():
        raise UserError(f"`--data` must be a folder, but {args.data} is none; give another.")
    check_unsplit("--out", args.out.resolve())
    if args.data is not None:
        check_unsplit("--data", args.data.resolve())
    seconds = None if args.minutes is None else max(0.0, 60 * args.minutes - RESERVE)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with locked(args.out):
            store = check(args, parts, seconds)
    except KeyboardInterrupt:
        say("\ninterrupted: the same command goes on from here")
        return 130
    path = args.out / ("result.json" if args.json else TABLE)
    print(path.read_text(encoding="utf-8", errors="surrogateescape"), end="")
    for row in store.failed:
        say(f"failed: {row.part}: {row.name}: {row.found}")
    return 1 if store.failed else 0


def parts_of(text: str) -> list[str]:
    """Read ``--parts``; the order is always that of `SHARES`.

    Raises:
        UserError: one is none.
    """
    named = text.split(",")
    if wrong := [part for part in named if part not in SHARES]:
        raise UserError(
            f"`--parts` must be of {', '.join(SHARES)}, but {' and '.join(map(repr, wrong))} is "
            "none of them."
        )
    return [part for part in SHARES if part in named]


def check(args: argparse.Namespace, parts: Sequence[str], seconds: float | None) -> Store:
    """Make all checks that fit and are not done yet."""
    shares = {part: SHARES[part] for part in parts}
    begin = time.monotonic()
    device = machine.find_device(args.device)
    about = machine.describe(device)
    # Work of other code, or of another machine, would be taken for done: it lies elsewhere.
    work = args.out.resolve() / key_of(about)
    every = checks_of(args, device, parts, work)
    store = Store(args.out, about, [(one.part, one.name) for one in every])
    left = [one for one in every if not store.done(one.part, one.name)]
    say(f"{len(every) - len(left)} of {len(every)} rows were done before")
    left_over = None if seconds is None else seconds - (time.monotonic() - begin)
    timetable = Timetable(left, shares, left_over)
    lanes = args.jobs or min(MOST_LANES, max(2, len(os.sched_getaffinity(0)) // 2))
    how = (device.gpus, device.memory)
    runners = [Runner(args.device, work / f"lane{n}", *how) for n in range(lanes)]

    def keep(row: Row) -> None:
        store.add(row)
        say(f"{row.verdict:7} {row.part}: {row.name}: {row.found} ({row.seconds:.1f} s)")

    run_all(timetable, runners, keep)
    store.write()
    return store


def checks_of(
    args: argparse.Namespace, device: machine.Device, parts: Sequence[str], folder: Path
) -> list[Check[Runner]]:
    """Return every check of ``parts``, which work in ``folder``.

    The small corpora are made here, the large when needed.
    """
    cuda = bool(device.gpus)
    for name, shape in CORPORA.items():
        if not (folder / name).exists():
            write_corpus(folder / name, shape)
    data = folder / "small"
    size = throughput.FULL if cuda else throughput.DRY
    corpus = throughput.Corpus(folder / "large", size)
    shown = evidence.Evidence(args.data and args.data.resolve(), folder / "evidence")
    made = {
        "runs": lambda: small_runs.checks(small_runs.References(folder), cuda),
        "throughput": lambda: throughput.checks(corpus, cuda),
        "syncs": lambda: syncs.checks(syncs.Stock(data), cuda),
        "ranks": lambda: ranks.checks(data, device.gpus),
        "lines": lambda: lines.checks(cuda),
        "evidence": lambda: evidence.checks(shown, cuda),
    }
    return [one for part in parts for one in made[part]()]
