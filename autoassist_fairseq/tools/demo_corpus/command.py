"""The command line of ``scripts/make_demo_corpus.py``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.demo_corpus.build import SIZES, build, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the corpus; prints the files that were written."""
    parser = argparse.ArgumentParser(
        prog="make_demo_corpus.py", description="Write the demo's corpus: {split}.en, {split}.de."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another corpus")
    parser.add_argument("--pairs", type=int, default=SIZES["train"], help="training pairs")
    options = parser.parse_args(arguments)
    if options.pairs < 1 or options.seed < 0:
        raise UserError(
            "`--pairs` must be at least 1 and `--seed` at least 0, but are "
            f"{options.pairs} and {options.seed}."
        )
    for file in write(build(options.seed, {**SIZES, "train": options.pairs}), options.out):
        print(file)
    return 0
