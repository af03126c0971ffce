"""The command line of ``autoassist synthetic-corpus``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import check_unsplit
from autoassist_fairseq.tools.synthetic.files import SOURCE, TARGET, write_corpus
from autoassist_fairseq.tools.synthetic.shape import LONGEST, SHORTEST, SPECIAL, Shape

# Ids are stored in 16 bits, and a pass numbers its pairs in 32.
MOST_WORDS, MOST_PAIRS = 65_000, 2**31 - 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the corpus; what was done goes to stderr."""
    options = _parser().parse_args(arguments)
    shape, out = Shape(options.pairs, options.words, options.mean_length, options.seed), options.out
    check(shape, out)
    start = time.monotonic()
    write_corpus(out, shape)
    seconds = time.monotonic() - start
    print(
        f"{shape.pairs:,} pairs {SOURCE}-{TARGET} in {out}, {seconds:.1f} s; train with "
        f"fairseq-train {out} --source-lang {SOURCE} --target-lang {TARGET} ...",
        file=sys.stderr,
    )
    return 0


def check(shape: Shape, out: Path) -> None:
    """Raise `UserError` for every rule that is broken."""
    rules = {
        "pairs": (1 <= shape.pairs <= MOST_PAIRS, f"from 1 to {MOST_PAIRS}", shape.pairs),
        "words": (1 <= shape.words <= MOST_WORDS, f"from 1 to {MOST_WORDS}", shape.words),
        "mean-length": (
            SHORTEST < shape.mean <= LONGEST / 2,
            f"above {SHORTEST} and at most {LONGEST // 2} tokens",
            shape.mean,
        ),
        "seed": (shape.seed >= 0, "0 or more", shape.seed),
        "out": (
            not out.exists() or (out.is_dir() and not any(out.iterdir())),
            "a new or an empty folder",
            out,
        ),
    }
    check_unsplit("--out", out)
    told = [
        f"`--{name}` must be {rule}, but is {value}"
        + (", which exists; choose another" if name == "out" else "")
        for name, (holds, rule, value) in rules.items()
        if not holds
    ]
    if told:
        raise UserError("; ".join(told) + ".")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="autoassist synthetic-corpus",
        description="Write a made-up corpus of WMT14's shape as fairseq-preprocess would: Zipf "
        "words, log-normal lengths that agree on both sides.",
    )
    add = parser.add_argument
    add("--pairs", type=int, default=4_500_000, help="default: %(default)s")
    add("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    words = "of each dictionary, beside fairseq's 4 special ones (default: %(default)s)"
    add("--words", type=int, default=32_000 - SPECIAL, help=words)
    length = "tokens with the end (default: %(default)s)"
    add("--mean-length", type=float, default=27.0, help=length)
    add("--seed", type=int, default=1, help="default: %(default)s")
    return parser
