"""What other ways of finding wrong pairs say of a corpus that `autoassist noise` spoiled.

Run in an environment of its own, with eflomal, opusfilter, bicleaner-hardrules (where they
install) and scikit-learn; nothing here depends on them:

    python tests/peers.py NOISE en de --ours .venv/bin/autoassist

Seconds are those of the processor, of all that a method started; memory is its largest process's.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Lines = Sequence[str]
Scores = Sequence[float]  # higher: more likely wrong
_WORD = re.compile(r"\w+|[^\w\s]")


def length_ratio(source: Lines, target: Lines, *_: str) -> Scores:
    """How far the log ratio of the characters is from the corpus's median."""
    ratios = np.array(
        [math.log((len(t) + 1) / (len(s) + 1)) for s, t in zip(source, target, strict=True)]
    )
    return list(np.abs(ratios - np.median(ratios)))


def eflomal(source: Lines, target: Lines, *_: str) -> Scores:
    """The larger of eflomal's two scores, on words and punctuation in small letters."""
    aligner = importlib.import_module("eflomal").Aligner()
    sides = [[" ".join(_WORD.findall(line.lower())) or "-" for line in s] for s in (source, target)]
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{folder}/{name}" for name in ("there", "back")]
        aligner.align(*sides, scores_filename_fwd=names[0], scores_filename_rev=names[1])
        scores = np.maximum(*(np.loadtxt(name) for name in names))
    return list(np.nan_to_num(scores))  # some are infinite


def opusfilter(source: Lines, target: Lines, *languages: str) -> Scores:
    """OpusFilter's word alignment filter with its Moses tokeniser: the larger of both scores."""
    words = importlib.import_module("opusfilter.word_alignment").WordAlignFilter
    names = ("src_tokenizer", "tgt_tokenizer")
    tokenisers = {name: ("moses", tag) for name, tag in zip(names, languages, strict=True)}
    pairs = ((s or "-", t or "-") for s, t in zip(source, target, strict=True))
    return list(np.nan_to_num([max(scores) for scores in words(**tokenisers).score(pairs)]))


def bicleaner(source: Lines, target: Lines, *languages: str) -> Scores:
    """Bicleaner's hard rules, but for those that need a model which it downloads: 1 = discard."""
    rows = "".join(f"{s}\t{t}\n" for s, t in zip(source, target, strict=True))
    flags = ["--score_only", "--disable_lang_ident", "--disable_porn_removal", "-q", "-p", "1"]
    words = [str(Path(sys.executable).with_name("bicleaner-hardrules")), "-", "-", *flags]
    words += ["--disable_lm_filter", "-s", languages[0], "-t", languages[1]]
    done = subprocess.run(words, input=rows, capture_output=True, text=True, check=True)
    return [1 - float(line.split("\t")[-1]) for line in done.stdout.splitlines()]


PEERS: dict[str, Callable[..., Scores]] = {
    "length ratio": length_ratio,
    "eflomal": eflomal,
    "OpusFilter": opusfilter,
    "bicleaner": bicleaner,
}


def measured(words: Sequence[str]) -> tuple[float, float]:
    """Run a program; return its processor seconds and its peak memory, MiB."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{words} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def line(name: str, scores: Any, bad: Any, recall: float, cost: tuple[float, float]) -> str:
    """Return a row of the table: AUC, precision at ``recall``, pairs/s, memory."""
    from sklearn.metrics import precision_recall_curve, roc_auc_score

    area = precision = math.nan
    if bad.any():
        area = roc_auc_score(bad, scores)
        precisions, recalls, _ = precision_recall_curve(bad, scores)
        precision = max(precisions[recalls >= recall])
    speed = f"{len(bad) / cost[0]:,.0f} | {cost[1]:,.0f}"
    return f"| {name} | {area:.3f} | {precision:.3f} | {speed} |"


def main() -> None:
    """Print a table."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    p.add_argument("noise", type=Path, help="what autoassist noise wrote")
    p.add_argument("languages", nargs=2, help="source and target")
    p.add_argument("--ours", default="autoassist", help="the program autoassist")
    p.add_argument("--one", nargs=2, help="a peer, and where its scores go")
    args = p.parse_args()
    files = [args.noise / f"train.{language}" for language in args.languages]
    if args.one:
        sides = [path.read_text("utf-8").split("\n")[:-1] for path in files]
        Path(args.one[1]).write_text(
            json.dumps([*map(float, PEERS[args.one[0]](*sides, *args.languages))])
        )
        return
    kinds = np.array((args.noise / "kind.txt").read_text().split())
    bad = kinds != "-"
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/scores.tsv"
        cost = measured([args.ours, "find-wrong-pairs", *map(str, files), "--out", out])
        found = np.genfromtxt(out, delimiter="\t", skip_header=1, usecols=(1, 2))
        wrong, recall = found[:, 0] == 1, found[bad, 0].mean() if bad.any() else 0.0
        for kind in sorted({*kinds}):
            print(
                f"{kind}: {wrong[kinds == kind].mean():.4f} of {sum(kinds == kind):,} called wrong"
            )
        print(f"precision {bad[wrong].mean():.3f}, recall {recall:.3f}")
        print(line("ours", found[:, 1], bad, recall, cost))
        for name in PEERS:
            again = [sys.executable, __file__, str(args.noise), *args.languages, "--one", name, out]
            try:
                cost = measured(again)
            except RuntimeError as error:
                print(f"| {name} | did not run: {error} |")
                continue
            scores = np.array(json.loads(Path(out).read_text()))
            print(line(name, scores, bad, recall, cost))
            if {*scores} <= {0.0, 1.0}:
                print(f"  {name}: {scores[~bad].mean():.4f} of the good called wrong")


if __name__ == "__main__":
    main()
