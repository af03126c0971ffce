"""Spoil a share of a corpus in a known way (logic of ``autoassist noise``).

Web crawls hold pairs whose sides do not belong together. Spoiling a clean corpus on purpose makes
the same with the truth at hand: which pairs are spoiled, and how a run on the clean ones would end.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.languages import count_words
from autoassist_fairseq.tools.dataprep.files import clear_os_errors, write_lines
from autoassist_fairseq.tools.scoring.text import read_lines

Lines = list[str]


def shuffled(source: Lines, target: Lines, rng: np.random.Generator) -> Lines:
    """Return ``target`` dealt out among the pairs: each gets another pair's, if there are two."""
    order = rng.permutation(len(target))
    moved = np.empty(len(target), np.int64)
    moved[order] = np.roll(order, 1)  # one cycle: nobody keeps its own
    return [target[place] for place in moved]


def copied(source: Lines, target: Lines, rng: np.random.Generator) -> Lines:
    """Return the source sentences: pairs that were never translated."""
    return list(source)


def truncated(source: Lines, target: Lines, rng: np.random.Generator) -> Lines:
    """Return ``target`` cut to its first third, at least one word: half-translated pairs."""
    return [_first_third(line) for line in target]


def _first_third(line: str) -> str:
    words = line.split()
    if count_words(" ".join(words)) > len(words):  # a script without spaces
        return line[: max(1, len(line) // 3)]
    return " ".join(words[: max(1, len(words) // 3)])


KINDS: dict[str, Callable[[Lines, Lines, np.random.Generator], Lines]] = {
    "shuffle": shuffled,
    "copy": copied,
    "truncate": truncated,
}


def spoil(
    source: Lines, target: Lines, kind: str, share: float, seed: int
) -> tuple[Lines, NDArray[np.bool_]]:
    """Return the targets with ``share`` of them spoiled, and which [P] they are."""
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(target), round(share * len(target)), replace=False))
    bad = KINDS[kind]([source[i] for i in chosen], [target[i] for i in chosen], rng)
    out, spoiled = list(target), np.zeros(len(target), bool)
    for place, line in zip(chosen, bad, strict=True):
        out[place] = line
    spoiled[chosen] = True
    return out, spoiled


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``autoassist noise``."""
    p = argparse.ArgumentParser(
        prog="autoassist noise",
        description="Spoil the targets of some pairs: train.SRC, train.TGT, spoiled.txt (1 = "
        "spoiled, a line for each pair), and clean.SRC, clean.TGT without the spoiled pairs.",
    )
    p.add_argument("source", type=Path, metavar="SOURCE", help="text, plain or gzipped")
    p.add_argument("target", type=Path, metavar="TARGET", help="text, plain or gzipped")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to fill")
    p.add_argument("--kind", default="shuffle", metavar="|".join(KINDS), help="default: shuffle")
    p.add_argument("--share", type=float, default=0.3, help="of the pairs, in [0, 1]; default: 0.3")
    p.add_argument("--seed", type=int, default=1, help="default: 1")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    args = parser().parse_args(argv)
    if args.kind not in KINDS:
        raise UserError(f"`--kind` must be one of {', '.join(KINDS)}, but is {args.kind}.")
    if not 0 <= args.share <= 1:
        raise UserError(f"`--share` must be in [0, 1], but is {args.share}; 0.3 spoils 30%.")
    if args.seed < 0:
        raise UserError(f"`--seed` must be 0 or more, but is {args.seed}.")
    languages = [language_of(path) for path in (args.source, args.target)]
    if languages[0] == languages[1]:
        raise UserError(
            "SOURCE and TARGET must have names that end with their languages, train.de and "
            f"train.en, but both end with {languages[0]!r}; rename them."
        )
    source, target = read_lines(args.source, "SOURCE"), read_lines(args.target, "TARGET")
    if len(source) != len(target):
        raise UserError(
            f"SOURCE and TARGET must have as many lines, but have {len(source):,} and "
            f"{len(target):,}; give two files that belong together."
        )
    noisy, spoiled = spoil(source, target, args.kind, args.share, args.seed)
    clean = np.flatnonzero(~spoiled)
    files = {
        f"train.{languages[0]}": source,
        f"train.{languages[1]}": noisy,
        f"clean.{languages[0]}": [source[i] for i in clean],
        f"clean.{languages[1]}": [target[i] for i in clean],
        "spoiled.txt": [str(int(flag)) for flag in spoiled],
    }
    given = {path.resolve() for path in (args.source, args.target)}
    if lost := [name for name in files if (args.out / name).resolve() in given]:
        raise UserError(
            f"`--out` must be another folder than that of SOURCE and TARGET, but {lost[0]} would "
            "be written over; choose another."
        )
    with clear_os_errors():
        for name, lines in files.items():
            write_lines(args.out / name, lines)
    print(f"{int(spoiled.sum()):,} of {len(spoiled):,} pairs are spoiled ({args.kind}): {args.out}")
    return 0


def language_of(path: Path) -> str:
    """Return the language that a file's name ends with: ``train.de.gz`` -> de."""
    return path.name.removesuffix(".gz").rpartition(".")[2]
