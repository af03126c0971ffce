"""The final BLEU of a run: as it was scored, or scored here from its translations."""

from __future__ import annotations

import math
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import read_json
from autoassist_fairseq.tools.common.languages import Languages, language_of
from autoassist_fairseq.tools.report.keeping import CHECKPOINT
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
TEST = "test"


def add_score(run: Run, data: Path | None, given: Path | None) -> None:
    """Look for the final BLEU of ``run``; what is not there is noted in the run.

    Args:
        run: with the translations of its test set, or their score.
        data: binarised corpus, beside which its plain text is looked for.
        given: plain reference, rather than that text.
    """
    try:
        found = _scored(run.folder) or _score(run, data, given)
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


def _prepared(data: Path, run: Run) -> Path:
    """Return the text beside ``data`` in the language that ``run`` translates into."""
    target = find_split(data, TEST, *_languages(run)).target
    return Path(layout.references(data, TEST, target, None)[0])


def _languages(run: Run) -> Languages:
    if run.languages is not None:
        return run.languages
    if not (path := run.folder / CHECKPOINT).is_file():
        raise UserError(
            f"its languages must be known, but neither its log nor a {CHECKPOINT} tells them; "
            "give the reference with `--ref`"
        )
    from autoassist_fairseq.tools.common.checkpoints import languages_in  # takes PyTorch

    return languages_in(path, "RUN_DIR")


def _scored(folder: Path) -> tuple[float, str] | None:
    """Return the score that is there and its signature, which tells another split than `TEST`."""
    for name in SCORES:
        content = read_json(folder / name) or {}
        figures = content.get("figures")
        for figure in figures if isinstance(figures, list) else ():
            mine = isinstance(figure, dict) and figure.get("key") == KEY
            score = figure.get("score") if mine else None
            if isinstance(score, int | float) and math.isfinite(score):
                subset = content.get("subset") or TEST
                of = "" if subset == TEST else f"|subset:{subset}"
                return float(score), f"{figure.get('signature', '')}{of}"
    return None


def _score(run: Run, data: Path | None, given: Path | None) -> tuple[float, str] | None:
    found = [file for name in TRANSLATIONS for file in sorted(run.folder.glob(name))]
    if not found or not (reference := given or (data and _prepared(data, run))):
        return None
    hypotheses = read_lines(found[0], "RUN_DIR")
    references = read_lines(reference, "--ref")
    check_lengths({f"`RUN_DIR` {found[0]}": hypotheses, f"`--ref` {reference}": references})
    language = language_of(found[0].name) or language_of(reference.name)
    metric = plain_metric("bleu", None, language)
    figure = detokenised_bleu(hypotheses, [references], metric)
    return figure.score, figure.signature
