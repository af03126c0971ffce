"""Spoil a share of a corpus in a known way (logic of ``autoassist noise``).

Web crawls hold pairs whose sides do not belong together. Spoiling a clean corpus on purpose makes
the same with the truth at hand: which pairs are spoiled, and how a run on the clean ones would end.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import write_lines, write_text
from autoassist_fairseq.tools.noise.kinds import KINDS, Lines, Text
from autoassist_fairseq.tools.scoring.text import read_lines

# How each of --lines begins where they say which pair they belong to.
_NUMBERED = re.compile(r"\d+\t")
# The truth, a line for each pair.
_FLAGS, _KINDS = "spoiled.txt", "kind.txt"


@dataclass(frozen=True)
class Spoiled:
    """A corpus after it was spoiled.

    Attributes:
        source, target: a line for each pair.
        kinds: [pairs] what each pair was spoiled by; "" = by nothing.
    """

    source: Lines
    target: Lines
    kinds: Lines

    @property
    def flags(self) -> NDArray[np.bool_]:
        """[pairs] which were spoiled."""
        return np.array([bool(kind) for kind in self.kinds], bool)


def spoil(text: Text, shares: Mapping[str, float], seed: int) -> Spoiled:
    """Spoil a share of the pairs by each kind, none of them twice.

    A pair that comes out as it was, since it was dealt its own text again, is not spoiled.

    Raises:
        UserError: a kind can spoil fewer pairs than that.
    """
    rng = np.random.default_rng(seed)
    sides, kinds = (list(text.source), list(text.target)), [""] * len(text.target)
    for name, share in shares.items():
        kind = KINDS[name]
        free = [at for at, found in enumerate(kinds) if not found and kind.able(text, at)]
        wanted = round(share * len(kinds))
        if wanted > len(free):
            raise UserError(
                f"`--kind {name}` can spoil {len(free):,} more of {len(kinds):,} pairs, but its "
                f"share, {share}, is {wanted:,}; give less."
            )
        places = np.sort(rng.choice(np.array(free, np.int64), wanted, replace=False))
        for place, line in zip(places, kind.spoil(text, places, rng), strict=True):
            sides[kind.side][place], kinds[place] = line, name
    # Last: whom a kind can spoil does not hang on what an earlier one dealt out.
    before, after = zip(text.source, text.target, strict=True), zip(*sides, strict=True)
    pairs = zip(before, after, kinds, strict=True)
    return Spoiled(*sides, ["" if old == new else kind for old, new, kind in pairs])


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``autoassist noise``."""
    p = argparse.ArgumentParser(
        prog="autoassist noise",
        description="Spoil some pairs: train.SRC, train.TGT, spoiled.txt (1 = spoiled, a line for "
        "each pair), kind.txt (by what), and clean.SRC, clean.TGT without the spoiled pairs.",
    )
    p.add_argument("source", type=Path, metavar="SOURCE", help="text, plain or gzipped")
    p.add_argument("target", type=Path, metavar="TARGET", help="text, plain or gzipped")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to fill")
    kinds = f"one of {', '.join(KINDS)}; again for several; default: shuffle"
    p.add_argument("--kind", action="append", metavar="KIND[=SHARE]", help=kinds)
    share = "of the pairs, in [0, 1], for a kind without its own; default: 0.3"
    p.add_argument("--share", type=float, default=0.3, help=share)
    lines = "lines of another language, for --kind language; NUMBER TAB LINE: of that pair, from 1"
    p.add_argument("--lines", type=Path, metavar="FILE", help=lines)
    p.add_argument("--seed", type=int, default=1, help="default: 1")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    args = parser().parse_args(argv)
    shares = shares_of(args.kind or ["shuffle"], args.share)
    if args.seed < 0:
        raise UserError(f"`--seed` must be 0 or more, but is {args.seed}.")
    if ("language" in shares) != (args.lines is not None):
        raise UserError(
            "`--kind language` and `--lines FILE` go together, but one of them is given alone; "
            "give both, or none."
        )
    languages = _languages(args.source, args.target)
    _check_out(args.out, languages, [args.source, args.target, *filter(None, [args.lines])])
    source, target = read_lines(args.source, "SOURCE"), read_lines(args.target, "TARGET")
    if len(source) != len(target):
        raise UserError(
            f"SOURCE and TARGET must have as many lines, but have {len(source):,} and "
            f"{len(target):,}; give two files that belong together."
        )
    others = others_of(read_lines(args.lines, "--lines")) if args.lines else []
    text = Text(source, target, others)
    spoiled = spoil(text, shares, args.seed)
    write(args.out, languages, text, spoiled)
    counts = ", ".join(f"{name} {spoiled.kinds.count(name):,}" for name in shares)
    share = f"{int(spoiled.flags.sum()):,} of {len(target):,}"
    print(f"{share} pairs are spoiled ({counts}): {args.out}")
    return 0


def shares_of(given: Sequence[str], share: float) -> dict[str, float]:
    """Return the share of each kind in ``given``, NAME or NAME=SHARE; `UserError` if bad."""
    shares: dict[str, float] = {}
    for name, _, own in (one.partition("=") for one in given):
        if name not in KINDS:
            raise UserError(f"`--kind` must be one of {', '.join(KINDS)}, but is {name}.")
        if name in shares:
            raise UserError(f"`--kind {name}` must be given once, but is given again.")
        try:
            shares[name] = float(own or share)
        except ValueError:
            shares[name] = math.nan
        if not 0 <= shares[name] <= 1:
            option, value = (f"--kind {name}", own) if own else ("--share", share)
            raise UserError(f"`{option}` must be in [0, 1], but is {value}; 0.3 spoils 30%.")
    if sum(shares.values()) > 1 + 1e-9:
        raise UserError(
            f"`--kind` must have shares of at most 1 in all, but they are {sum(shares.values()):g}."
        )
    return shares


def others_of(lines: Lines) -> Lines | dict[int, str]:
    """Return the lines of ``--lines``; by the pair (from 0) they belong to, if they say so.

    Empty ones are left out: they are in no language.

    Raises:
        UserError: not all say so, or two say the same.
    """
    if not any(map(_NUMBERED.match, lines)):
        return list(filter(None, lines))
    numbered: dict[int, str] = {}
    for at, line in enumerate(lines, 1):
        number, _, rest = line.partition("\t")  # an empty one has lost its tab when it was read
        if not number.isdecimal():
            raise UserError(
                "`--lines` must have the number of a pair and a tab before every line, or before "
                f"none, but line {at:,} has none beside others that do; mend it."
            )
        if int(number) - 1 in numbered:
            raise UserError(
                f"`--lines` must have one line for a pair, but line {at:,} is another one for pair "
                f"{number}; leave one of them out."
            )
        numbered[int(number) - 1] = rest
    return {pair: line for pair, line in numbered.items() if line}


def _languages(*paths: Path) -> list[str]:
    languages = [language_of(path) for path in paths]
    if languages[0] == languages[1]:
        raise UserError(
            "SOURCE and TARGET must have names that end with their languages, train.de and "
            f"train.en, but both end with {languages[0]!r}; rename them."
        )
    return languages


def _names(languages: Lines) -> list[str]:
    return [f"{kind}.{one}" for kind in ("train", "clean") for one in languages] + [_KINDS, _FLAGS]


def _check_out(out: Path, languages: Lines, given: Sequence[Path]) -> None:
    """Require that nothing is written over but what an earlier run has left, whole or not."""
    places = {name: (out / name).resolve() for name in _names(languages)}
    there = [name for name, place in places.items() if place.exists()]
    inputs = {path.resolve() for path in given}
    if lost := [name for name in there if places[name] in inputs]:
        raise UserError(
            f"`--out` must be another folder than that of SOURCE and TARGET, but {lost[0]} would "
            "be written over; choose another."
        )
    if there and _FLAGS not in there:
        raise UserError(
            f"`--out` must hold no file of that name, or an earlier result, but {out} holds "
            f"{there[0]} and no {_FLAGS}; choose another folder."
        )


def write(out: Path, languages: Lines, text: Text, spoiled: Spoiled) -> None:
    """Write what ``autoassist noise`` writes."""
    clean = np.flatnonzero(~spoiled.flags)
    contents = (
        spoiled.source,
        spoiled.target,
        [text.source[i] for i in clean],
        [text.target[i] for i in clean],
        [kind or "-" for kind in spoiled.kinds],
        [str(int(flag)) for flag in spoiled.flags],
    )
    # Empty until all else is there: a killed run leaves no truth about other lines, yet its mark.
    for name in (_FLAGS, _KINDS):
        write_text(out / name, "")
    for name, lines in zip(_names(languages), contents, strict=True):
        write_lines(out / name, lines)


def language_of(path: Path) -> str:
    """Return the language that a file's name ends with: ``train.de.gz`` -> de."""
    return path.name.removesuffix(".gz").rpartition(".")[2]
