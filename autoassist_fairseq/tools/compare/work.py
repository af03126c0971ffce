"""Doing one job: what is left of it, shown as it goes, written down when it is done."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import sys
import threading
from pathlib import Path
from statistics import fmean
from typing import Any

import autoassist_fairseq
from autoassist_fairseq.tools.common.files import read_json, write_json
from autoassist_fairseq.tools.common.progress import bar, say, tick
from autoassist_fairseq.tools.compare import jobs
from autoassist_fairseq.tools.compare.averaged import to_translate
from autoassist_fairseq.tools.compare.jobs import Job, Result, Validation
from autoassist_fairseq.tools.compare.training import last_validation, train, validations
from autoassist_fairseq.tools.compare.translation import score, translate, validation
from autoassist_fairseq.tools.compare.updates import Updates, epochs_of
from autoassist_fairseq.tools.dataprep.manifest import versions

_LOG_SECONDS = 60.0
_BAR = "{desc} {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{postfix}]"


def do(job: Job, slot: int, stop: threading.Event) -> None:
    """Train, translate and score what is not done yet.

    Args:
        job: what to do.
        slot: line of its progress bar, from 0.
        stop: set when everything is to end.

    Raises:
        UserError: a program of fairseq's failed.
        StoppedError: ``stop`` was set.
    """
    if finished(job) is not None:
        say(f"{job.name}: done before, skipped")
        return
    jobs.begin(job)
    updates, legs = train_shown(job, slot, stop)
    checkpoint = to_translate(job)
    with _bar(f"{job.name}, translating", slot, total=len(job.test.reference)) as lines:
        hypotheses = translate(job, checkpoint, lambda pairs: _count(lines, pairs), stop)
    loss = validation(job, checkpoint, stop) if job.average > 1 else last_validation(job.folder)
    result = _result(job, updates, legs, hypotheses, loss)
    content = {**job.account, "result": jobs.summary(result), "versions": versions()}
    write_json(job.folder / jobs.DONE, {**content, "code": code_digest()})
    say(
        f"{job.name}: {result.updates:,} updates, {result.tokens:,.0f} tokens, "
        f"{result.seconds:,.0f} s, BLEU {result.bleu:.2f}"
    )


def train_shown(job: Job, slot: int, stop: threading.Event) -> tuple[Updates, int]:
    """Train with a progress bar in line ``slot``; otherwise as `train`."""
    say(f"{job.name}: training")
    with _bar(job.name, slot, total=job.budget.amount, bar_format=_BAR) as shown:
        return train(job, lambda updates: _show(shown, job, updates), stop)


def finished(job: Job) -> Result | None:
    """Return the result of a job that is done, else None."""
    content = read_json(job.folder / jobs.DONE)
    texts = [job.translated(subset) for subset in job.test.subsets]
    if content is None or not all(text.is_file() for text in texts):
        return None
    names = {one.name for one in dataclasses.fields(Result)}
    figures: dict[str, Any] = {k: v for k, v in content["result"].items() if k in names}
    figures["validations"] = [Validation(*one) for one in figures.get("validations", ())]
    lines = [text.read_text(encoding="utf-8").split("\n")[:-1] for text in texts]
    return Result(**figures, hypotheses=list(itertools.chain(*lines)))


def code_digest() -> str:
    """Return a digest of the method's code: results of two versions are not mixed unnoticed."""
    package = Path(autoassist_fairseq.__file__).parent
    rings = [package / ring for ring in ("assistant", "schedule", "plugin")]
    files = [package / "settings.py", *(path for ring in rings for path in ring.rglob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()[:16]


def _result(
    job: Job, updates: Updates, legs: int, hypotheses: list[str], loss: float | None
) -> Result:
    figure, each = score(job, hypotheses)
    epochs = epochs_of(updates.done)
    counted = epochs[1:] or epochs
    return Result(
        updates=len(updates.done),
        tokens=updates.tokens,
        seconds=updates.seconds,
        valid_loss=loss,
        bleu=figure.score,
        signature=figure.signature,
        epoch_tokens=fmean(epoch.tokens for epoch in counted) if counted else None,
        epochs=len(epochs),
        legs=legs,
        hypotheses=hypotheses,
        label=figure.label,
        each=each,
        validations=validations(job.folder, updates),
    )


def _bar(name: str, slot: int, **options: Any) -> Any:
    """Return a progress bar: a line of a terminal, or now and then a line of a log file."""
    if sys.stderr.isatty():
        return bar(desc=name, position=slot, **options)
    shown = bar(desc=name, position=0, **options)
    shown.mininterval = _LOG_SECONDS
    return shown


def _show(shown: Any, job: Job, updates: Updates) -> None:
    shown.n = min(float(getattr(updates, job.budget.kind)), shown.total)
    shown.set_postfix_str(f"update {len(updates.done):,}, loss {updates.loss:.2f}", refresh=False)
    tick(shown)


def _count(shown: Any, pairs: int) -> None:
    shown.n = pairs
    tick(shown)
