"""Compare arms (logic of ``autoassist compare``): run what is not done yet, test, tabulate."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import (
    locked,
    read_json,
    write_json,
    write_text,
)
from autoassist_fairseq.tools.common.packages import require
from autoassist_fairseq.tools.common.progress import say
from autoassist_fairseq.tools.common.words import split_at_dashes
from autoassist_fairseq.tools.compare import table
from autoassist_fairseq.tools.compare.arms import Arm
from autoassist_fairseq.tools.compare.evidence import evidence
from autoassist_fairseq.tools.compare.jobs import DONE, Job, check_started
from autoassist_fairseq.tools.compare.options import arms_of, jobs_of, parser
from autoassist_fairseq.tools.compare.pool import Pool
from autoassist_fairseq.tools.compare.power import ALPHA, POWER
from autoassist_fairseq.tools.compare.significance import paired
from autoassist_fairseq.tools.compare.table import Row
from autoassist_fairseq.tools.compare.tuning import check_free, rates_of, told, tuned
from autoassist_fairseq.tools.compare.work import code_digest, do, finished
from autoassist_fairseq.tools.dataprep.manifest import versions

#: Packages of tests and report, both of which come after all training.
NEEDS = ("scipy", "matplotlib", "jinja2")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; the table goes to stdout."""
    try:
        rows = compare(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        say("\ninterrupted: the same command goes on from here")
        return 130
    print(table.as_text(rows))
    return 1 if any(row.failed for row in rows) else 0


def compare(argv: Sequence[str]) -> list[Row]:
    """Run what is not done yet, write page, figures and report; return one row per arm.

    Raises:
        UserError: an option will not do.
        KeyboardInterrupt: stopped by a signal; the same command goes on.
    """
    own, extra = split_at_dashes(argv)
    args = parser().parse_args(own)
    require("compare", NEEDS)
    if args.out.exists() and not args.out.is_dir():
        raise UserError(f"`--out` must be a folder, but {args.out} is a file; choose another.")
    rows = _compared(args, extra)
    say(f"details are in {args.out / 'compare.md'}")
    return rows


def _compared(args: argparse.Namespace, extra: Sequence[str]) -> list[Row]:
    arms, said = arms_of(args), list[str]()
    rates = rates_of(args.tune_lr) if args.tune_lr else []
    if rates:
        check_free(arms, extra)
    jobs = _checked(args, arms, extra, *rates[:1], tuned=rates)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with locked(args.out):
        if rates:
            best, losses = tuned(jobs_of(args, arms, extra)[0], rates, args.jobs)
            jobs, said = _checked(args, arms, extra, best), [told(losses, best)]
        rows = rows_of(arms, jobs, run(jobs, args.jobs))
        _write(args.out, rows, jobs, said)
    return rows


def _checked(
    args: argparse.Namespace,
    arms: Sequence[Arm],
    extra: Sequence[str],
    *rate: float,
    tuned: Sequence[float] = (),
) -> list[Job]:
    """Return all runs, with that learning rate if one is given; none was begun as another one."""
    words = [word for one in rate for word in ("--lr", f"{one:g}")]
    jobs = jobs_of(args, arms, [*extra, *words])
    for job in jobs:
        check_started(job, [f"{one:g}" for one in tuned])
    return jobs


def run(jobs: Sequence[Job], side_by_side: int) -> dict[str, str]:
    """Do all jobs; returns a sentence for each that failed."""
    named = {job.name: job for job in jobs}
    needs = {job.name: {f"{arm}-{job.seed}" for arm in job.arm.needs} for job in jobs}

    def work(name: str, slot: int, stop: object) -> None:
        do(named[name], slot, stop)  # type: ignore[arg-type]

    failed = Pool(work, side_by_side).run(list(named), needs)
    for name, sentence in failed.items():
        say(f"{name} failed: {sentence}")
    return failed


def rows_of(arms: Sequence[Arm], jobs: Sequence[Job], failed: Mapping[str, str]) -> list[Row]:
    """Return one row per arm, tested against the first."""
    runs = {
        arm.name: {
            job.seed: result
            for job in jobs
            if job.arm == arm and job.name not in failed and (result := finished(job))
        }
        for arm in arms
    }
    test, language = jobs[0].test, jobs[0].corpus.languages[1]
    rows = []
    for arm in arms:
        say(f"{arm.name}: testing") if arm != arms[0] else None
        beside = (
            paired(runs[arms[0].name], runs[arm.name], test.reference, test.samples, language)
            if arm != arms[0]
            else None
        )
        wrong = {j.seed: failed[j.name] for j in jobs if j.arm == arm and j.name in failed}
        found = evidence(runs[arms[0].name], runs[arm.name])
        rows.append(Row(arm, runs[arm.name], wrong, beside, found))
    return rows


def notes(rows: Sequence[Row], jobs: Sequence[Job]) -> list[str]:
    """Say what the figures are."""
    said = [
        f"Budget of each run: {jobs[0].budget}. Tokens are target tokens trained on; seconds are "
        "of training, without validation and writing checkpoints. Means over n seeds.",
        "Tokens per epoch: complete epochs from the second on. Valid loss: NLL of what is "
        "translated with, bits per token.",
        f"Difference and p: against {rows[0].arm.name}, over the seeds that both have. p "
        "(sentences): sacreBLEU's paired bootstrap; a sentence is drawn with all seeds' "
        "translations of it, which says whether these models would differ on other sentences. p "
        "(seeds): paired t-test on the runs' BLEU, which says whether training again shows it. "
        f"Seeds needed: those with which that test, at {ALPHA}, finds a true difference of this "
        f"size and spread with a chance of {POWER}.",
        "Tokens and seconds to the first's: until the validation loss is that of the first arm's "
        "last one (same seed), as a share of what that arm spent; between two validations the loss "
        "is taken for a straight line.",
    ]
    test, average = jobs[0].test, jobs[0].average
    if len(test.subsets) > 1:
        said.append(f"BLEU of {', '.join(test.subsets)} laid end to end.")
    what = "the last checkpoint" if average == 1 else f"the mean of {average} checkpoints"
    signatures = sorted({run.signature for row in rows for run in row.runs.values()})
    said += [f"BLEU of {what}: {signature}." for signature in signatures]
    said += table.doubts(rows)
    tests = sorted({row.paired.signature for row in rows if row.paired})
    said += [f"Paired bootstrap: {signature}." for signature in tests]
    codes = {(read_json(job.folder / DONE) or {}).get("code") for job in jobs} - {None}
    if len(codes) > 1:
        said.append("The runs were made by different versions of the code: run them anew.")
    elif codes and codes != {code_digest()}:
        said.append("The runs were made by another version of the code than is installed now.")
    return said


def _write(out: Path, rows: Sequence[Row], jobs: Sequence[Job], tuning: Sequence[str]) -> None:
    said = [*notes(rows, jobs), *(f"Tuned: {sentence}." for sentence in tuning)]
    write_text(out / "compare.md", table.as_markdown(rows, said))
    content = {"arms": table.as_json(rows), "notes": said, "versions": versions()}
    write_json(out / "compare.json", {"budget": str(jobs[0].budget), **content})
    _report(out, rows, jobs)


def _report(out: Path, rows: Sequence[Row], jobs: Sequence[Job]) -> None:
    """Make the report of one run per arm: that of the first seed that is done."""
    shown = [
        f"{row.arm.name}={out / f'{row.arm.name}-{min(row.runs)}'}" for row in rows if row.runs
    ]
    if not shown:
        return
    from autoassist_fairseq.tools.report import command as report  # matplotlib takes a second

    data = ["--data", str(jobs[0].corpus.data)]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            report.main([*shown, *data, "--out", str(out / "report")])
    except UserError as error:
        say(f"no report: {error}")
