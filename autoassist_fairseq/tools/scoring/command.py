"""Score translations (logic of ``autoassist score``): three figures that nobody mixes up."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sacrebleu.metrics import BLEU

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.languages import language_of
from autoassist_fairseq.tools.scoring import metrics
from autoassist_fairseq.tools.scoring.text import (
    check_lengths,
    moses_name,
    moses_tokens,
    read_lines,
    tokenised_because,
)

Lines = list[str]


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``autoassist score``."""
    p = argparse.ArgumentParser(
        prog="autoassist score",
        description="Print detokenised sacreBLEU, tokenised BLEU and compound-split BLEU.",
    )
    add = p.add_argument
    add("--sys", metavar="FILE", help="plain (detokenised) output; - is stdin")
    add("--ref", nargs="+", default=[], metavar="FILE", help="plain reference(s)")
    add("--lang", help="target language (default: as the reference's name ends, else de)")
    system = "tokenised output, subwords joined; default: --sys tokenised as Moses does"
    add("--tokenised-sys", metavar="FILE", help=system)
    references = "tokenised reference(s), for the tokenised figures alone"
    add("--tokenised-ref", nargs="+", default=[], metavar="FILE", help=references)
    tokenizer = "sacreBLEU's (default: 13a; zh for Chinese, char for ja, th, lo, km, my)"
    names = sorted(BLEU.TOKENIZERS)
    add("--sacrebleu-tokenize", metavar="NAME", choices=names, help=tokenizer)
    add_plain_ref(p)
    add("--chrf", action="store_true", help="chrF2 too")
    add("--ter", action="store_true", help="TER too (slow)")
    baseline = "plain output of another system: paired bootstrap significance of the difference"
    add("--baseline", metavar="FILE", help=baseline)
    samples = "resamples for --baseline (default: 1000)"
    add("--bootstrap-samples", type=int, default=1000, metavar="N", help=samples)
    add("--json", action="store_true", help="print JSON")
    return p


def add_plain_ref(p: argparse.ArgumentParser) -> None:
    """Add the way on for a plain reference that looks tokenised."""
    what = "--ref is plain text though it looks tokenised; the label says so"
    p.add_argument("--plain-ref", action="store_true", help=what)


def add_corpus_options(p: argparse.ArgumentParser, says: str = "the corpus") -> None:
    """Add what says which split of a binarised corpus is translated, and what becomes of it.

    ``says`` is what tells the languages where no option does.
    """
    add_plain_ref(p)
    add = p.add_argument
    prepared = "how the corpus was prepared (default: sentencepiece)"
    tracks = ["sentencepiece", "moses", "none"]
    add("--detokenise", choices=tracks, default=tracks[0], help=prepared)
    add("--spm", type=Path, metavar="FILE", help="sentencepiece model (default: beside DATA)")
    add("--gen-subset", default="test", metavar="NAME", help="split (default: test)")
    for side in ("source", "target"):
        add(f"--{side}-lang", metavar="LANG", help=f"default: as {says} says")


def main(argv: Sequence[str] | None = None, subset: str | None = None) -> int:
    """Run the script; the figures go to stdout, with the name of the ``subset`` if it is known."""
    args = parser().parse_args(argv)
    named = [*args.ref, *args.tokenised_ref]
    args.lang = args.lang or next(filter(None, map(language_of, named)), "de")
    texts = read_texts(args)
    figures = score(texts, args)
    comparisons = compare_with_baseline(texts, args)
    if args.json:
        report = metrics.as_json(figures, comparisons, texts.pairs, subset)
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        print(format_report(figures, comparisons))
    if not texts.plain:
        print("detokenised BLEU was left out: it needs `--sys` and `--ref`.", file=sys.stderr)
    return 0


@dataclass(frozen=True)
class Texts:
    """What there is to score; references are a list of lines for each reference translation."""

    system: Lines
    references: list[Lines]
    token_system: Lines
    token_references: list[Lines]
    tokens_by: str
    baseline: Lines

    @property
    def plain(self) -> bool:
        """Whether there is plain text, so that sacreBLEU can be computed."""
        return bool(self.system)

    @property
    def pairs(self) -> int:
        """Number of pairs of the test set."""
        return len(self.token_system)


def read_texts(args: argparse.Namespace) -> Texts:
    """Read and check every file that the options name.

    Raises:
        UserError: options that do not go together, unreadable or unequal files, a tokenised
            ``--ref``.
    """
    _check_options(args)
    system = read_lines(args.sys, "--sys") if args.sys else []
    references = [read_lines(path, "--ref") for path in args.ref]
    baseline = read_lines(args.baseline, "--baseline") if args.baseline else []
    given = read_lines(args.tokenised_sys, "--tokenised-sys") if args.tokenised_sys else []
    given_references = [read_lines(path, "--tokenised-ref") for path in args.tokenised_ref]
    named = [("sys", args.sys, system), ("baseline", args.baseline, baseline)]
    named += [("tokenised-sys", args.tokenised_sys, given)]
    named += [("ref", *pair) for pair in zip(args.ref, references, strict=True)]
    named += [
        ("tokenised-ref", *pair) for pair in zip(args.tokenised_ref, given_references, strict=True)
    ]
    check_lengths({f"`--{option}` {path}": lines for option, path, lines in named if path})
    for path, lines in zip(args.ref, references, strict=True):
        check_plain_reference(path, lines, args.plain_ref)
    _warn_tokenised("--sys", args.sys, system)
    _warn_tokenised("--baseline", args.baseline, baseline)
    return Texts(
        system,
        references,
        given or moses_tokens(system, args.lang),
        given_references or [moses_tokens(lines, args.lang) for lines in references],
        "as-given" if given else moses_name(args.lang),
        baseline,
    )


def score(texts: Texts, args: argparse.Namespace) -> list[metrics.Figure]:
    """Return the figures that the options ask for, sacreBLEU first."""
    plain, tokens = [], (texts.token_system, texts.token_references, texts.tokens_by)
    if texts.plain:
        bleu = metrics.plain_metric("bleu", args.sacrebleu_tokenize, args.lang)
        plain.append(metrics.detokenised_bleu(texts.system, texts.references, bleu))
    plainly = (texts.system, texts.references, args.lang)
    others = [metrics.other_figure(key, *plainly) for key in _others(args)]
    return [*plain, metrics.tokenised_bleu(*tokens), metrics.compound_bleu(*tokens), *others]


def compare_with_baseline(texts: Texts, args: argparse.Namespace) -> list[metrics.Comparison]:
    """Return sacreBLEU's paired bootstrap against ``--baseline``; empty without it."""
    if not texts.baseline:
        return []
    chosen = {
        key: metrics.plain_metric(key, args.sacrebleu_tokenize, args.lang)
        for key in ("bleu", *_others(args))
    }
    return metrics.compare(
        texts.baseline, texts.system, texts.references, chosen, args.bootstrap_samples
    )


def format_report(
    figures: Sequence[metrics.Figure], comparisons: Sequence[metrics.Comparison]
) -> str:
    """Return the figures as a table, each above its detail and signature."""
    lines = []
    for figure in figures:
        lines.append(f"{figure.label + ':':<46}{figure.score:6.2f}   {figure.detail}".rstrip())
        lines.append(f"    {figure.signature}")
    for c in comparisons:
        ours, base = (f"{s['score']:.2f} (\u00b1 {s['ci']:.2f})" for s in (c.system, c.baseline))
        # p counts resamples: its smallest value is 1 / (samples + 1)
        lines.append(f"{c.metric} against the baseline: {ours} beside {base}, p = {c.p_value:.4f}")
        lines.append(f"    {c.signature}")
    return "\n".join(lines)


def _others(args: argparse.Namespace) -> list[str]:
    return [key for key in ("chrf", "ter") if getattr(args, key)]


def _check_options(args: argparse.Namespace) -> None:
    plain, tokenised = bool(args.sys), bool(args.tokenised_sys)
    if plain != bool(args.ref):
        raise UserError("`--sys` and `--ref` go together: give both, or the tokenised two alone.")
    if tokenised != bool(args.tokenised_ref):
        raise UserError("`--tokenised-sys` and `--tokenised-ref` go together: give both or none.")
    if not plain and not tokenised:
        raise UserError("nothing to score: give `--sys` and `--ref`, or the tokenised two.")
    if not plain and (args.baseline or _others(args)):
        raise UserError("`--baseline`, `--chrf` and `--ter` need plain text: add `--sys`, `--ref`.")
    if args.baseline:
        metrics.bootstrap_seed()
    if args.bootstrap_samples < 1:
        raise UserError(
            f"`--bootstrap-samples` must be at least 1, but is {args.bootstrap_samples}."
        )


def check_plain_reference(path: str, lines: Lines, trusted: bool = False) -> None:
    """Require a reference for sacreBLEU to be plain text, or to be called so (``--plain-ref``).

    Raises:
        UserError: it looks tokenised, with the reason.
    """
    reason = tokenised_because(lines)
    if reason and not trusted:
        raise UserError(
            f"`--ref` {path} must be plain text, since sacreBLEU tokenises by itself and a figure "
            f"on tokens compares with no other, but it looks tokenised ({reason}); give the "
            "original reference, and this file to autoassist score as `--tokenised-ref`; if it is "
            "plain all the same, add `--plain-ref`."
        )


def _warn_tokenised(option: str, path: str, lines: Lines) -> None:
    reason = tokenised_because(lines)
    if reason:
        print(
            f"warning: `{option}` {path} looks tokenised ({reason}); sacreBLEU expects plain "
            "text, so detokenise it first.",
            file=sys.stderr,
        )
