"""The tables of `autoassist find-wrong-pairs` beside the truth, by kind of wrong pair."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import precision_score, recall_score

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.report.table import aligned
from autoassist_fairseq.tools.scores.curves import Curve, curve, told
from autoassist_fairseq.tools.scoring.text import read_lines

#: What `autoassist noise` calls a pair that it left alone.
GOOD = "-"


def judged(paths: Sequence[Path], noise: Path) -> tuple[str, list[Curve | None]]:
    """Return AUC, precision and recall of each table, and the share called wrong of each kind.

    Beside them the ROC curves of the posteriors, one for each table.

    Raises:
        UserError: a table is none, or not of the pairs of ``noise``.
    """
    kinds = np.array(read_lines(noise / "kind.txt", "--noise"))
    bad, names = kinds != GOOD, sorted({*kinds} - {GOOD})
    rows = [("scores", "AUC", "wrong", "precision", "recall", "of the good", *names)]
    curves = []
    for path in paths:
        verdicts, posteriors = read_table(path)
        if len(verdicts) != len(kinds):
            raise UserError(
                f"SCORES must be of the pairs of `--noise`, {len(kinds):,}, but {path} has "
                f"{len(verdicts):,}; give what find-wrong-pairs wrote about train.* there."
            )
        curves.append(curve(path.stem, bad, posteriors))
        precision = precision_score(bad, verdicts, zero_division=np.nan)
        recall = recall_score(bad, verdicts, zero_division=np.nan)
        shares = [f"{verdicts[kinds == kind].mean():.3f}" for kind in (GOOD, *names)]
        numbers = told(curves[-1]), f"{verdicts.mean():.1%}", told(precision), told(recall)
        rows.append((path.stem, *numbers, *shares))
    return aligned(rows), curves


def read_table(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return verdicts (bool) and posteriors [pairs]; `UserError` if ``path`` holds none."""
    lines = read_lines(path, "SCORES")
    try:
        found = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
        verdicts = [row["verdict"] == "1" for row in found]
        return np.array(verdicts), np.array([float(row["posterior"]) for row in found])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"SCORES must be what find-wrong-pairs wrote, but {path} is not ({error!r}); give that."
        ) from error
