"""Translating the test sets with what a run came to, validating that, and scoring it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from autoassist_fairseq.tools.common.child import lines_of
from autoassist_fairseq.tools.common.files import write_json, write_lines
from autoassist_fairseq.tools.common.training_log import Mark
from autoassist_fairseq.tools.common.words import value_of
from autoassist_fairseq.tools.compare.jobs import Job
from autoassist_fairseq.tools.compare.training import StoppedError
from autoassist_fairseq.tools.scoring.generated import plain_text, read_generated
from autoassist_fairseq.tools.scoring.metrics import (
    Figure,
    as_json,
    detokenised_bleu,
    plain_metric,
)
from autoassist_fairseq.tools.scoring.text import check_lengths

VALIDATED = "validate.log"
#: Overridden by ``--generate``.
DEFAULTS = ("--beam", "4", "--max-tokens", "4000")


def translate(
    job: Job, checkpoint: Path, show: Callable[[int], None], stop: threading.Event
) -> list[str]:
    """Translate every test set without our task; returns plain lines, which are kept.

    Raises:
        UserError: fairseq-generate failed, or left out a pair.
        StoppedError: ``stop`` was set.
    """
    lines: list[str] = []
    for subset in job.test.subsets:
        begin = len(lines)
        lines += _translate(job, checkpoint, subset, partial(_from, show, begin), stop)
    return lines


def _from(show: Callable[[int], None], begin: int, pairs: int) -> None:
    show(begin + pairs)


def _translate(
    job: Job, checkpoint: Path, subset: str, show: Callable[[int], None], stop: threading.Event
) -> list[str]:
    source, target = job.corpus.languages
    log = job.folder / job.test.log(subset)
    log.unlink(missing_ok=True)
    command = [
        *(str(job.corpus.data), "--path", str(checkpoint)),
        *("--gen-subset", subset, "--source-lang", source, "--target-lang", target),
        *DEFAULTS,
        *job.test.flags,
        *(flag for flag in job.device if flag == "--cpu"),
    ]
    pairs = 0
    for line in lines_of("fairseq-generate", command, log, threads=job.threads):
        if stop.is_set():
            raise StoppedError
        pairs += line is not None and line.startswith("H-")
        show(pairs)
    found = read_generated(log).hypotheses
    lines = plain_text(found, job.test.track, target, job.corpus.model)
    write_lines(job.translated(subset), lines)
    return lines


def validation(job: Job, checkpoint: Path, stop: threading.Event) -> float | None:
    """Return the NLL of ``checkpoint`` on the validation set, bits per token.

    Raises:
        UserError: fairseq-validate failed.
        StoppedError: ``stop`` was set.
    """
    words, skips = [*job.flags, *job.arm.flags], "--skip-invalid-size-inputs-valid-test"
    subset = (value_of(words, "--valid-subset") or "valid").split(",")[0]
    command = [
        *(str(job.corpus.data), "--path", str(checkpoint), "--valid-subset", subset),
        *("--user-dir", value_of(words, "--user-dir") or "", "--task", "autoassist_translation"),
        *("--source-lang", job.corpus.languages[0], "--target-lang", job.corpus.languages[1]),
        *(*_batches(words), "--log-format", "json"),
        *([skips] if skips in words else []),
        *(flag for flag in job.device if flag == "--cpu"),
    ]
    figures = re.compile(rf'"{re.escape(subset)}_((?:nll_)?loss)": "([\d.]+)"')
    log, loss = job.folder / VALIDATED, None
    log.unlink(missing_ok=True)
    for line in lines_of("fairseq-validate", command, log, threads=job.threads):
        if stop.is_set():
            raise StoppedError
        told = {name: float(figure) for name, figure in figures.findall(line or "")}
        loss = Mark(0, 0, None, told).loss if told else loss
    return loss


def _batches(words: Sequence[str]) -> list[str]:
    """Return the size of batches that training validated with.

    Under the names of training's own: fairseq-validate takes no notice of the others.
    """
    found = []
    for flag in ("--max-tokens", "--batch-size"):
        given = value_of(words, f"{flag}-valid") or value_of(words, flag)
        found += [flag, given] if given else []
    return found


def score(job: Job, hypotheses: list[str]) -> tuple[Figure, dict[str, float]]:
    """Return sacreBLEU of all test sets as one, and of each.

    The first is kept where the report looks for it.
    """
    reference, begin = list(job.test.reference), 0
    check_lengths({f"translations of {job.name}": hypotheses, "`--ref`": reference})
    metric = plain_metric("bleu", None, job.corpus.languages[1])
    figure = detokenised_bleu(hypotheses, [reference], metric)
    subset = ",".join(job.test.subsets)
    write_json(job.folder / "score.json", as_json([figure], [], len(hypotheses), subset))
    each = {}
    for subset, lines in zip(job.test.subsets, job.test.references, strict=True):
        end = begin + len(lines)
        each[subset] = detokenised_bleu(hypotheses[begin:end], [list(lines)], metric).score
        begin = end
    return figure, each
