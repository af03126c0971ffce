"""What is wrong with a pair: pure rules, each with its own count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from autoassist_fairseq.tools.dataprep.duplicates import pair_hash
from autoassist_fairseq.tools.dataprep.reading import RawPair

# Characters without width that text files gather at the ends of their lines.
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"
#: The rules in the order in which they are tried; a pair counts for the first that it breaks.
RULES = ("undecodable", "empty", "length", "ratio", "duplicate")


@dataclass(frozen=True)
class CleaningRules:
    """Limits that a training pair must keep. The defaults remove little.

    Attributes:
        max_words: most words (between spaces) per side.
        max_ratio: most words of the longer side per word of the shorter one.
        drop_duplicates: whether only the first of equal pairs stays.
    """

    max_words: int = 250
    max_ratio: float = 9.0
    drop_duplicates: bool = True


class CleanPair(NamedTuple):
    """A pair that keeps the rules, its white space normalised."""

    source: str
    target: str


class Cleaned(NamedTuple):
    """What is left of a block of pairs; ``hashes`` tell equal pairs, one per kept pair."""

    pairs: list[CleanPair]
    hashes: list[int]
    removed: Counter[str]


def normalise(text: str) -> str:
    """``text`` with single spaces, none at the ends, and no invisible characters there.

    Every kind of Unicode white space becomes a space: also those that some programs take for the
    end of a line.
    """
    return " ".join(text.split()).strip(_INVISIBLE).strip()


def broken_rule(source: str, target: str, rules: CleaningRules) -> str | None:
    """The first rule that a normalised pair breaks, if any (duplicates are found elsewhere)."""
    short, long = sorted((source.count(" ") + 1, target.count(" ") + 1))
    if not source or not target:
        return "empty"
    if long > rules.max_words:
        return "length"
    if long > rules.max_ratio * short:
        return "ratio"
    return None


def clean_block(block: Sequence[RawPair], rules: CleaningRules) -> Cleaned:
    """Normalise a block of pairs and keep those that break no rule."""
    cleaned = Cleaned([], [], Counter())
    for pair in block:
        if pair.source is None or pair.target is None:
            cleaned.removed["undecodable"] += 1
            continue
        clean = CleanPair(normalise(pair.source), normalise(pair.target))
        broken = broken_rule(*clean, rules)
        if broken:
            cleaned.removed[broken] += 1
        else:
            cleaned.pairs.append(clean)
            cleaned.hashes.append(pair_hash(*clean))
    return cleaned
