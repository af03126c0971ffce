"""Translating the test set with a run's last checkpoint, and scoring it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from autoassist_fairseq.tools.common.child import lines_of
from autoassist_fairseq.tools.compare.jobs import LAST, Job
from autoassist_fairseq.tools.compare.training import StoppedError
from autoassist_fairseq.tools.dataprep.files import write_json, write_lines
from autoassist_fairseq.tools.scoring.generated import plain_text, read_generated
from autoassist_fairseq.tools.scoring.metrics import (
    Figure,
    as_json,
    detokenised_bleu,
    plain_metric,
)
from autoassist_fairseq.tools.scoring.text import check_lengths

LOG = "translate.log"
#: Overridden by ``--generate``.
DEFAULTS = ("--beam", "4", "--max-tokens", "4000")


def translate(job: Job, show: Callable[[int], None], stop: threading.Event) -> list[str]:
    """Translate the test set without our task; returns plain lines, which are kept.

    Raises:
        UserError: fairseq-generate failed, or left out a pair.
        StoppedError: ``stop`` was set.
    """
    source, target = job.corpus.languages
    log = job.folder / LOG
    log.unlink(missing_ok=True)
    command = [
        *(str(job.corpus.data), "--path", str(job.folder / LAST)),
        *("--gen-subset", job.test.subset, "--source-lang", source, "--target-lang", target),
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
    write_lines(job.folder / f"{job.test.subset}.translated.{target}", lines)
    return lines


def score(job: Job, hypotheses: list[str]) -> Figure:
    """Return sacreBLEU against the raw reference; kept where the report looks for it."""
    reference = list(job.test.reference)
    check_lengths({f"translations of {job.name}": hypotheses, "`--ref`": reference})
    metric = plain_metric("bleu", None, job.corpus.languages[1])
    figure = detokenised_bleu(hypotheses, [reference], metric)
    write_json(job.folder / "score.json", as_json([figure], [], len(hypotheses)))
    return figure
