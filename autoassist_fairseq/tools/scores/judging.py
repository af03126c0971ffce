"""Judge a run's verdicts by what `autoassist noise` did (logic of ``autoassist judge``)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_score, recall_score

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.cleaning import normalise
from autoassist_fairseq.tools.report.table import aligned
from autoassist_fairseq.tools.scores.command import Scores, scores_in, state_of
from autoassist_fairseq.tools.scores.curves import Curve, curve, draw, told
from autoassist_fairseq.tools.scores.same_text import binarised, check_text
from autoassist_fairseq.tools.scores.tables import judged
from autoassist_fairseq.tools.scoring.text import check_lengths, read_lines

_VERDICTS = ("hopeless", "precision", "recall")
HEADER = ("checkpoint", "measured", "AUC surprise", "AUC loss", *_VERDICTS)
Truth = NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """One checkpoint beside the truth.

    Attributes:
        name: of the checkpoint.
        measured: pairs whose surprise is known, which the curves are of.
        surprise, loss: ROC curve of either; None if no such pair is spoiled, or all are.
        hopeless: share of the pairs.
        precision, recall: of the verdicts; 0 where there are none.
    """

    name: str
    measured: int
    surprise: Curve | None
    loss: Curve | None
    hopeless: float
    precision: float
    recall: float

    @property
    def row(self) -> tuple[str, ...]:
        """The line of the table below `HEADER`."""
        areas = told(self.surprise), told(self.loss)
        shares = f"{self.hopeless:.1%}", told(self.precision), told(self.recall)
        return (self.name, f"{self.measured:,}", *areas, *shares)


def judge(scores: Scores, truth: Truth, name: str) -> Judged:
    """Compare ``scores`` with the ``truth`` [pairs], where both are known."""
    known = ~np.isnan(scores.surprises)
    verdicts = scores.hopeless
    return Judged(
        name,
        int(known.sum()),
        curve(name, truth[known], scores.surprises[known]),
        curve(name, truth[known], scores.losses[known]),
        float(verdicts.mean()),
        float(precision_score(truth, verdicts, zero_division=0)),
        float(recall_score(truth, verdicts, zero_division=0)),
    )


def truth_of(noise: Path, text: Path) -> Truth:
    """Return which pairs of ``text`` are spoiled, as `autoassist noise` wrote it into ``noise``.

    Args:
        noise: folder with train.SRC, train.TGT and spoiled.txt, a line for each pair.
        text: folder with train.SRC and train.TGT of the training set: the same pairs, cleaned.
    """
    languages = [path.suffix[1:] for path in sorted(noise.glob("train.*"))]
    if len(languages) != 2:
        raise UserError(
            f"`--noise` must be a folder that autoassist noise filled, but {noise} holds "
            f"{len(languages)} files train.*, not 2."
        )
    names = [f"train.{language}" for language in languages]
    *sides, flags = _read(noise, [*names, "spoiled.txt"], "--noise")
    spoiled = [flag == "1" for flag in flags]
    told = dict(zip(zip(*sides, strict=True), spoiled, strict=True))
    pairs = list(zip(*_read(text, names, "--text"), strict=True))
    strange = [number for number, pair in enumerate(pairs) if pair not in told]
    if strange:
        raise UserError(
            f"`--text` must hold pairs of `--noise`, but line {strange[0] + 1} of its training set "
            f"is none ({len(strange):,} are not); give the folder text/ that was prepared from it."
        )
    return np.array([told[pair] for pair in pairs])


def _read(folder: Path, names: Sequence[str], option: str) -> list[list[str]]:
    found = {name: list(map(normalise, read_lines(folder / name, option))) for name in names}
    what = f"Files in `{option}` {folder}"
    check_lengths(found, what, "give a folder as it was written, or write it anew")
    return [*found.values()]


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``autoassist judge``."""
    p = argparse.ArgumentParser(
        prog="autoassist judge",
        description="Compare what checkpoints of a run that looked for hopeless pairs say of "
        "every pair with the truth: area under the ROC curve (AUC) over the pairs whose surprise "
        "was measured (so many; a dash where not both spoiled and good ones were), precision and "
        "recall of the verdicts on all pairs. Or what find-wrong-pairs says: give its tables "
        "(.tsv).",
    )
    what = "of a run; or tables of find-wrong-pairs, of train.* in --noise"
    p.add_argument("checkpoints", type=Path, nargs="+", metavar="CHECKPOINT", help=what)
    noise = "what autoassist noise wrote"
    p.add_argument("--noise", type=Path, required=True, metavar="DIR", help=noise)
    text = "text/ of the corpus that was prepared from it; not for tables"
    p.add_argument("--text", type=Path, metavar="DIR", help=text)
    data = "what the run was trained on, binarised (default: bin/ beside --text)"
    p.add_argument("--data", type=Path, metavar="DATA", help=data)
    p.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help="draw the ROC curves, of surprise or posterior (PNG)",
    )
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; the table goes to stdout."""
    args = parser().parse_args(argv)
    if all(path.suffix == ".tsv" for path in args.checkpoints):
        table, curves = judged(args.checkpoints, args.noise)
    else:
        found = _all_judged(args)
        table = aligned([HEADER, *(one.row for one in found)])
        curves = [one.surprise for one in found]
    print(table)
    if args.figure:
        draw(curves, args.figure)
    return 0


def _all_judged(args: argparse.Namespace) -> list[Judged]:
    if args.text is None:
        raise UserError("`--text` must be given with checkpoints, but is not; name the folder.")
    truth = truth_of(args.noise, args.text)
    if not 0 < truth.sum() < len(truth):
        raise UserError(
            f"`--noise` must hold spoiled pairs and others, but {int(truth.sum()):,} of "
            f"{len(truth):,} are spoiled."
        )
    data = binarised(args.text, args.data)
    return [_judged(path, truth, args.text, data) for path in args.checkpoints]


def _judged(path: Path, truth: Truth, text: Path, data: Path | None) -> Judged:
    scores = scores_in(state := state_of(path), path)
    if len(scores.losses) != len(truth):
        raise UserError(
            f"`--text` must be the training set of {path}, {len(scores.losses):,} pairs, but has "
            f"{len(truth):,}; give the corpus that the run was trained on."
        )
    if data is not None:
        check_text(state, text, data)
    return judge(scores, truth, path.stem)
