"""Make the report (logic of ``autoassist report``)."""

from __future__ import annotations

import argparse
import json
import math
import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import write_text
from autoassist_fairseq.tools.report import figures, table
from autoassist_fairseq.tools.report.bleu import add_score
from autoassist_fairseq.tools.report.corpus import check_folder
from autoassist_fairseq.tools.report.fitting import trained_text
from autoassist_fairseq.tools.report.keeping import Keeping, assistant_state, keeping
from autoassist_fairseq.tools.report.page import Report, as_html, as_markdown
from autoassist_fairseq.tools.report.run import Run, read_run
from autoassist_fairseq.tools.report.verdicts import Verdict, verdict


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``autoassist report``."""
    p = argparse.ArgumentParser(
        prog="autoassist report",
        description="Compare runs: report.html (one file), report.md and figures, from fairseq's "
        "logs and last checkpoints. The first run is what the others are compared with.",
    )
    add = p.add_argument
    folder = "folder with train.log (or another log of fairseq-train), checkpoints, translations "
    add("runs", nargs="+", metavar="RUN_DIR", help=folder + "or score.json; NAME=RUN_DIR names it")
    add("--out", required=True, type=Path, metavar="DIR", help="folder of the report")
    corpus = "binarised corpus of the runs: keep rates, pairs that are skipped most"
    add("--data", type=Path, metavar="DATA", help=corpus)
    reference = "plain reference of the test set (default: text/ beside DATA)"
    add("--ref", type=Path, metavar="FILE", help=reference)
    add("--json", action="store_true", help="print JSON")
    add("--open", action="store_true", help="show the page in a browser")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; the table goes to stdout."""
    args = parser().parse_args(argv)
    if args.data is not None:
        check_folder(args.data)
    runs = [read_run(path, name) for name, path in named(args.runs)]
    if not any(run.epochs or run.beliefs or run.points for run in runs):
        told = "; ".join(f"{run.folder}: {', '.join(run.missing)}" for run in runs)
        raise UserError(f"`RUN_DIR` must hold a log of fairseq-train with statistics, but {told}.")
    for run in runs:
        add_score(run, args.data, args.ref)
    report = make(runs, args.data, args.out)
    write_text(args.out / "report.html", as_html(report))
    write_text(args.out / "report.md", as_markdown(report))
    for name, sentence in report.missing:
        print(f"{name}: {sentence}", file=sys.stderr)
    print(json.dumps(as_json(report), indent=2) if args.json else table.as_text(runs))
    page = (args.out / "report.html").resolve()
    print(f"the report is {page}", file=sys.stderr)
    if args.open and not webbrowser.open(page.as_uri()):
        print("no browser was found to show it in", file=sys.stderr)
    return 0


def named(words: Sequence[str]) -> list[tuple[str, Path]]:
    """Return (name, path) of every run; a name is given, or as much of the path as tells it apart.

    Raises:
        UserError: two runs have the same name.
    """
    given = [
        ("", word) if Path(word).exists() or "=" not in word else word.split("=", 1)
        for word in words
    ]
    paths = [Path(path) for _, path in given]
    short = [path.resolve().name for path in paths]
    names = [
        name or (str(path) if short.count(last) > 1 else last)
        for (name, _), path, last in zip(given, paths, short, strict=True)
    ]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"`RUN_DIR` must name different runs, but {', '.join(twice)} is given twice; leave one "
            "out, or name them: NAME=RUN_DIR."
        )
    return list(zip(names, paths, strict=True))


def make(runs: Sequence[Run], data: Path | None, out: Path) -> Report:
    """Draw the figures into ``out`` and return the report."""
    out.mkdir(parents=True, exist_ok=True)
    missing = [(run.name, sentence) for run in runs for sentence in run.missing]
    keepings, verdicts, unknown = _asked(runs, data)
    drawn = [
        figures.savings(out, table.savings(runs), runs[0].name),
        figures.progress(out, runs, "loss"),
        figures.progress(out, runs, "bleu"),
        figures.figure6(out, runs),
        figures.keep_rates(out, runs, keepings),
    ]
    shown = [figure for figure in drawn if figure]
    return Report(runs, shown, keepings, verdicts, [*missing, *unknown])


def as_json(report: Report) -> dict[str, Any]:
    """Return the facts in plain types, for machines; None where a number is unknown."""
    return {key: _finite(value) for key, value in _facts(report).items()}


def _finite(content: Any) -> Any:
    """Return ``content`` with None for NaN and infinities, for which JSON has no word."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _facts(report: Report) -> dict[str, Any]:
    saved = {saving.name: saving for saving in table.savings(report.runs)}
    return {
        "runs": [
            {
                "name": run.name,
                "policy": run.policy,
                "tokens_per_epoch": run.tokens_per_epoch,
                "seconds_per_epoch": run.seconds_per_epoch,
                "bleu": run.bleu,
                "signature": run.signature,
                "tokens_saved": saved[run.name].tokens if run.name in saved else None,
                "time_saved": saved[run.name].time if run.name in saved else None,
                "epochs": [asdict(epoch) for epoch in run.epochs],
                "validations": [asdict(point) for point in run.points],
            }
            for run in report.runs
        ],
        "keeping": [asdict(one) for one in report.keepings],
        "hopeless": [asdict(one) for one in report.verdicts],
        "missing": [list(one) for one in report.missing],
    }


def _asked(
    runs: Sequence[Run], data: Path | None
) -> tuple[list[Keeping], list[Verdict], list[tuple[str, str]]]:
    """Ask every run's Assistant whom it keeps, and which pairs are hopeless to it.

    The last list says which could not be asked.
    """
    asked = [run for run in runs if run.beliefs]
    if not asked:
        return [], [], []
    if data is None:
        return [], [], [("all", "keep rates and skipped pairs need `--data DATA`")]
    keepings, verdicts, unknown = [], [], []
    for run in asked:
        try:
            state = assistant_state(run.folder)
            text = trained_text(state, data)
            found = verdict(state, run.name, text)
            verdicts += [found] if found else []
            if state["settings"]["policy"] == "shrink":  # the others ask no Assistant
                keepings.append(keeping(state, run.name, text))
        except UserError as error:
            unknown.append((run.name, str(error)))
    return keepings, verdicts, unknown
