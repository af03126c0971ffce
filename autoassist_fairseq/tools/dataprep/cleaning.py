"""What is wrong with a pair: pure rules, each with its own count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from autoassist_fairseq.tools.dataprep.duplicates import pair_hash
from autoassist_fairseq.tools.dataprep.reading import RawBlock, decoded

# Characters without width that text files gather at the ends of their lines.
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"
#: The rules in the order in which they are tried; a pair counts for the first that it breaks.
RULES = ("undecodable", "empty", "length", "ratio", "copy", "duplicate")
# Names and numbers are their own translations; sentences are not.
LONGEST_COPY = 3


@dataclass(frozen=True)
class CleaningRules:
    """Limits that a training pair must keep. The defaults remove little.

    Attributes:
        max_words: most words (between spaces; tokens where words are cut) per side.
        max_ratio: most words of the longer side per word of the shorter one.
        drop_duplicates: whether only the first of equal pairs stays.
        drop_copies: whether pairs go whose target is the source again, in more than `LONGEST_COPY`
            words: a model soon learns to copy, and then copies all it is given.
    """

    max_words: int = 250
    max_ratio: float = 9.0
    drop_duplicates: bool = True
    drop_copies: bool = True


class Cleaned(NamedTuple):
    """What is left of a block of pairs.

    ``rows`` hold the columns of each kept pair: source and target, and their tokens where words
    are cut. ``hashes`` tell equal pairs, one per row.
    """

    origin: str
    rows: list[tuple[str, ...]]
    hashes: list[int]
    removed: Counter[str]


Tokenise = Callable[[str, str], tuple[str, str]]


def normalise(text: str) -> str:
    """``text`` with single spaces, none at the ends, and no invisible characters there.

    Every kind of Unicode white space becomes a space: also those that some programs take for the
    end of a line.
    """
    return " ".join(text.split()).strip(_INVISIBLE).strip()


def columns_of(source: str, target: str, tokenise: Tokenise | None) -> tuple[str, ...]:
    """The columns of a raw pair: both sides normalised, and their tokens if words are cut."""
    plain = normalise(source), normalise(target)
    # From the raw text: Moses' rules know what a no-break space between digits means.
    return plain if tokenise is None else (*plain, *map(normalise, tokenise(source, target)))


def broken_rule(source: str, target: str, rules: CleaningRules) -> str | None:
    """The first rule that a normalised pair breaks, if any (duplicates are found elsewhere)."""
    if not source or not target:
        return "empty"
    short, long = sorted((source.count(" ") + 1, target.count(" ") + 1))
    if long > rules.max_words:
        return "length"
    if long > rules.max_ratio * short:
        return "ratio"
    if rules.drop_copies and source == target and long > LONGEST_COPY:
        return "copy"
    return None


def clean_block(
    block: RawBlock,
    rules: CleaningRules,
    *,
    tokenise: Tokenise | None = None,
    skip_undecodable: bool = False,
) -> Cleaned:
    """Make columns of a block of pairs and keep those that break no rule.

    Where words are cut, the rules count tokens.

    Raises:
        UserError: a line is not UTF-8, unless ``skip_undecodable``.
    """
    cleaned = Cleaned(block.origin.name, [], [], Counter())
    for pair in decoded(block, skip_undecodable=skip_undecodable):
        if pair.source is None or pair.target is None:
            cleaned.removed["undecodable"] += 1
            continue
        row = columns_of(pair.source, pair.target, tokenise)
        broken = broken_rule(row[-2], row[-1], rules)
        if broken:
            cleaned.removed[broken] += 1
        else:
            cleaned.rows.append(row)
            cleaned.hashes.append(pair_hash(row[0], row[1]))
    return cleaned
