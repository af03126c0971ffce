"""The final BLEU of a run: as it was scored, or scored here from its translations."""

from __future__ import annotations

import math
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import read_json
from autoassist_fairseq.tools.common.languages import language_of
from autoassist_fairseq.tools.report.run import Run
from autoassist_fairseq.tools.scoring import layout
from autoassist_fairseq.tools.scoring.metrics import detokenised_bleu, plain_metric
from autoassist_fairseq.tools.scoring.split import find_split
from autoassist_fairseq.tools.scoring.text import check_lengths, read_lines

# What `autoassist score` and `autoassist evaluate` print with --json, kept in the run's folder.
SCORES = ("score.json", "evaluation/score.json")
# Plain translations of the test set, as `autoassist evaluate` and the demo leave them: those of
# another split bear its name (evaluation/hypotheses-SPLIT.txt), and are not of our reference.
TRANSLATIONS = ("evaluation/hypotheses.txt", "test.translated.*")
KEY = "sacrebleu"


def reference_of(data: Path | None, given: Path | None, split: str = "test") -> Path | None:
    """Return the plain reference: the given one, else the prepared text beside DATA, else None."""
    if given is not None or data is None:
        return given
    try:
        target = find_split(data, split, None, None).target
        return Path(layout.references(data, split, target, None)[0])
    except UserError:
        return None


def add_score(run: Run, reference: Path | None) -> None:
    """Look for the final BLEU of ``run``; what is not there is noted in the run."""
    try:
        found = _scored(run.folder) or _score(run.folder, reference)
    except UserError as error:
        run.missing.append(f"no BLEU: {error}")
        return
    if found is None:
        run.missing.append(
            f"no BLEU: neither a score ({SCORES[0]}) nor translations of the test set with `--ref` "
            "were found"
        )
        return
    run.bleu, run.signature = found


def _scored(folder: Path) -> tuple[float, str] | None:
    for name in SCORES:
        content = read_json(folder / name) or {}
        figures = content.get("figures")
        for figure in figures if isinstance(figures, list) else ():
            mine = isinstance(figure, dict) and figure.get("key") == KEY
            score = figure.get("score") if mine else None
            if isinstance(score, int | float) and math.isfinite(score):
                return float(score), str(figure.get("signature", ""))
    return None


def _score(folder: Path, reference: Path | None) -> tuple[float, str] | None:
    found = [file for name in TRANSLATIONS for file in sorted(folder.glob(name))]
    if not found or reference is None:
        return None
    hypotheses = read_lines(found[0], "RUN_DIR")
    references = read_lines(reference, "--ref")
    check_lengths({f"`RUN_DIR` {found[0]}": hypotheses, f"`--ref` {reference}": references})
    language = language_of(found[0].name) or language_of(reference.name)
    metric = plain_metric("bleu", None, language)
    figure = detokenised_bleu(hypotheses, [references], metric)
    return figure.score, figure.signature
