"""Find the pairs that are no translations (logic of ``autoassist find-wrong-pairs``)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from autoassist_fairseq.assistant.corpus.features import Corpus
from autoassist_fairseq.assistant.wrong.text_judge import KINDS
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import not_files, staged
from autoassist_fairseq.tools.report.corpus import read_text
from autoassist_fairseq.tools.wrong_pairs.finding import SEED, Found, Tally, find
from autoassist_fairseq.tools.wrong_pairs.text_files import Pair, TextFiles

HEADER = (
    *("line", "verdict", "posterior", "kind", "worth", "worth_back"),
    *("source_length", "target_length", "overlap", "target_cost"),
)
GOOD = "-"


class Pairs(Protocol):
    """Where pairs come from."""

    def corpus(self) -> Corpus:
        """Return their tokens."""

    def texts(self, places: Collection[int]) -> dict[int, Pair]:
        """Return the text of those at ``places``, counted from 0."""


class Binarised:
    """The training set of a binarised corpus; `UserError` if ``data`` is none."""

    def __init__(self, data: Path, source: str | None, target: str | None) -> None:
        self._text = read_text(data, source, target)

    def corpus(self) -> Corpus:
        """Return its tokens."""
        return self._text.corpus

    def texts(self, places: Collection[int]) -> dict[int, Pair]:
        """Return the text of the pairs at ``places``, counted from 0."""
        return {place: self._text.pair(place) for place in places}


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``autoassist find-wrong-pairs``."""
    p = argparse.ArgumentParser(
        prog="autoassist find-wrong-pairs",
        description="Say of every pair whether it is a translation, from text alone: no model, no "
        "GPU, no labels. Writes tab-separated values, a line for each pair in order: line (from "
        "1), verdict (1 = wrong), posterior (how likely that is, in [0, 1]), kind (how it is "
        "wrong), worth and worth_back (what the source tells of the target and the reverse, nats "
        "per subword), both lengths in subwords, overlap (share of the target that stands in the "
        "source), and target_cost (how rare its subwords are, nats).",
    )
    text = "SOURCE TARGET, plain or gzipped; not with --data"
    p.add_argument("text", nargs="*", type=Path, metavar="FILE", help=text)
    p.add_argument("--data", type=Path, metavar="DATA", help="binarised corpus: its training set")
    for side in ("source", "target"):
        p.add_argument(f"--{side}-lang", metavar="LANG", help="of DATA; default: as it says")
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help="TSV to write")
    sure = "call a pair wrong when that is likelier than this, in [0, 1); default: 0.5"
    p.add_argument("--sure", type=float, default=0.5, help=sure)
    examples = "print the N surest pairs of each kind; default: 0"
    p.add_argument("--examples", type=int, default=0, metavar="N", help=examples)
    p.add_argument("--seed", type=int, default=SEED, help=f"of the comparison; default: {SEED}")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; examples go to stdout, how many there are to stderr."""
    args = parser().parse_args(argv)
    _check(args)
    binarised = args.data, args.source_lang, args.target_lang
    pairs: Pairs = Binarised(*binarised) if args.data else TextFiles(*args.text)
    tally = Tally(args.examples)
    with staged(args.out) as part, part.open("w", encoding="utf-8") as stream:
        stream.write("\t".join(HEADER) + "\n")
        for found in find(pairs.corpus(), args.sure, args.seed):
            stream.writelines(_rows(found))
            tally.add(found)
    _show(pairs, tally)
    print(f"{tally.sentence()}: {args.out}", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> None:
    if not 0 <= args.sure < 1:
        raise UserError(f"`--sure` must be in [0, 1), but is {args.sure}; 0.5 is as likely as not.")
    if args.examples < 0 or args.seed < 0:
        option, value = ("--seed", args.seed) if args.seed < 0 else ("--examples", args.examples)
        raise UserError(f"`{option}` must be 0 or more, but is {value}.")
    if len(args.text) != (0 if args.data else 2):
        raise UserError(
            "`autoassist find-wrong-pairs` must be given SOURCE and TARGET, or `--data DATA`, but "
            f"is given {len(args.text)} files{' and `--data`' * bool(args.data)}; give one."
        )
    if not args.data and (args.source_lang or args.target_lang):
        raise UserError(
            "`--source-lang` and `--target-lang` must go with `--data`, but it is not given; leave "
            "them out: SOURCE comes first."
        )
    if told := not_files(args.text):
        raise UserError(
            f"SOURCE and TARGET must be files that can be read more than once, but {told}."
        )
    if args.out.exists():
        raise UserError(f"`--out` must be new, but {args.out} exists; remove it, or name another.")


def _rows(found: Found) -> Iterator[str]:
    about = found.about
    columns = zip(
        *(found.pairs + 1, found.wrong, about.posterior, about.kind, about.worth, about.worth_back),
        *(about.source_length, about.target_length, about.overlap, about.target_cost),
        strict=True,
    )
    for line, wrong, posterior, kind, worth, back, source, target, overlap, cost in columns:
        name = KINDS[kind] if wrong else GOOD
        yield (
            f"{line}\t{int(wrong)}\t{posterior:.4f}\t{name}\t{worth:.3f}\t{back:.3f}\t{source}\t"
            f"{target}\t{overlap:.3f}\t{cost:.3f}\n"
        )


def _show(pairs: Pairs, tally: Tally) -> None:
    surest = tally.surest()
    texts = pairs.texts([place for found in surest.values() for place, _ in found])
    for kind, found in surest.items():
        print(f"{kind}: {tally.counts[kind]:,} pairs")
        for place, posterior in found:
            print(f"  line {place + 1}, posterior {posterior:.3f}")
            for side in texts[place]:
                print(f"    {' '.join(side.split())}")
