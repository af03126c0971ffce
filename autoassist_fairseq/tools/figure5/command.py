"""Table 1 and Figure 5 of the paper: image classification (logic of ``autoassist figure5``)."""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoassist_fairseq.tools.common.files import (
    locked,
    write_json,
    write_text,
)
from autoassist_fairseq.tools.common.packages import require
from autoassist_fairseq.tools.common.progress import say
from autoassist_fairseq.tools.dataprep.manifest import versions
from autoassist_fairseq.tools.figure5 import results, work
from autoassist_fairseq.tools.figure5.options import check, parser
from autoassist_fairseq.tools.figure5.results import Arm
from autoassist_fairseq.tools.figure5.sets import SETS
from autoassist_fairseq.tools.report.table import aligned

#: Packages of the digits, and of page and figures, which come after all training.
NEEDS = ("sklearn", "matplotlib", "jinja2")
TABLE1 = (
    "set",
    "Table 1 of the paper: images; size; classes",
    "found: to train + to test; size; classes",
)
NOTE = (
    "Accuracy: mean of a run's last tests, over its seeds, ± the standard deviation. Seconds: of "
    "training, with planning, without testing and saving; CPU: of all threads, whatever else the "
    "machine does. Skipped: of the images considered after "
    "the first pass, which keeps all. To SGD's: until the mean curve first reaches the accuracy "
    "that `uniform` ends with. Assistant: accuracy in predicting which images have no loss left; "
    "majority: that of always guessing the commoner label. `random` skips as many images as "
    "`shrink` did with its seed, pass for pass, whichever they are."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the tables go to stdout."""
    args = parser().parse_args(argv)
    check(args)
    require("figure5", NEEDS, "images")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with locked(args.out):
            found, arms = work.run(args)
            result = _write(args, found, arms)
    except KeyboardInterrupt:
        say("\ninterrupted: the same command goes on from here")
        return 130
    if args.json:
        print(json.dumps(result, indent=2))
    else:
        print(aligned([TABLE1, *table1(found)]))
        print("\n" + aligned([results.HEADER, *results.cells(result["rows"])]))
    say(f"the page is {(args.out / 'figure5.html').resolve()}")
    return 0


def table1(found: dict[str, str]) -> list[Sequence[str]]:
    """Return the rows under `TABLE1`: what the paper says of each set, and what was ``found``."""
    return [(name, SETS[name].paper or "–", told) for name, told in found.items()]


def _write(args: argparse.Namespace, found: dict[str, str], arms: Sequence[Arm]) -> dict[str, Any]:
    from autoassist_fairseq.tools.figure5 import figures  # matplotlib takes a second
    from autoassist_fairseq.tools.report.page import Page, as_html, as_markdown

    rows = results.rows(arms)
    drawn = [
        figures.figure5(args.out, SETS[name].title, [arm for arm in arms if arm.set == name])
        for name in found
    ]
    page = Page(
        f"AutoAssist on images: ResNet-{args.depth} by {len(args.seeds)} seed(s)",
        "Accuracy and cost",
        results.HEADER,
        results.cells(rows),
        NOTE,
        [*drawn, *filter(None, [figures.figure6(args.out, arms)])],
        [("Table 1 of the paper, and what was found", "", TABLE1, list(table1(found)))],
        links=_theorem1(args.out, args.theorem1),
    )
    result = {"sets": found, "rows": rows, "versions": versions()}
    write_json(args.out / "figure5.json", result)
    write_text(args.out / "figure5.html", as_html(page))
    write_text(args.out / "figure5.md", as_markdown(page))
    return result


def _theorem1(out: Path, given: str) -> list[tuple[str, str, str]]:
    """Return the link to the page of ``autoassist theorem1``, if it is there."""
    page = Path(given) / "theorem1.html"
    told = (
        "Why what has no loss left may be skipped, as the paper proves it and a simulation shows:"
    )
    return [(told, page.as_posix(), "Theorem 1")] if (out / page).is_file() else []
