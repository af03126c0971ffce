"""What is wrong with a pair: pure rules, each with its own count."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import sentencepiece

from autoassist_fairseq.tools.common.languages import count_words
from autoassist_fairseq.tools.dataprep.duplicates import near_hash, pair_hash
from autoassist_fairseq.tools.dataprep.language_id import is_other_language
from autoassist_fairseq.tools.dataprep.reading import RawBlock, decoded

# Characters without width that text files gather at the ends of their lines.
_INVISIBLE = " \u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"
_LETTER = re.compile(r"[^\W_]")
# Stands for what could not be decoded, and sentencepiece's own sign for a space.
_NO_TEXT = "\ufffd\u2581"
#: The rules in the order in which they are tried, each with the option that changes it; a pair
#: counts for the first that it breaks.
RULES = {
    "undecodable": "--errors",
    "empty": "",
    "length": "--max-words",
    "ratio": "--max-ratio",
    "copy": "--keep-copies",
    "language": "--language-id",
    "duplicate": "--keep-duplicates",
    "near-duplicate": "--near-duplicates",
}
# Names and numbers are their own translations; sentences are not.
LONGEST_COPY = 3


@dataclass(frozen=True)
class CleaningRules:
    """Limits that a training pair must keep. The defaults remove little.

    Words are those of `count_words`: between spaces, and characters of scripts without spaces.

    Attributes:
        max_words: most words (tokens where words are cut) per side.
        max_ratio: most words of the longer side per word of the shorter one.
        drop_duplicates: whether only the first of equal pairs stays.
        drop_copies: whether pairs go whose target is the source again, in more than `LONGEST_COPY`
            words: a model soon learns to copy, and then copies all it is given.
        drop_near_duplicates: whether only the first stays of pairs with the same letters: case,
            digits, punctuation and spaces do not count.
        languages: of the two sides: pairs go if a side is in another one; None: not asked.
    """

    max_words: int = 250
    max_ratio: float = 9.0
    drop_duplicates: bool = True
    drop_copies: bool = True
    drop_near_duplicates: bool = False
    languages: tuple[str, str] | None = None

    @property
    def hashes(self) -> dict[str, Callable[[str, str], int]]:
        """What tells the pairs that each rule against repetition takes for equal."""
        asked = {
            "duplicate": (self.drop_duplicates, pair_hash),
            "near-duplicate": (self.drop_near_duplicates, near_hash),
        }
        return {rule: hash_of for rule, (wanted, hash_of) in asked.items() if wanted}


Tokenise = Callable[[str, str], tuple[str, str]]


@dataclass(frozen=True)
class Cleaning:
    """How text is cleaned.

    Attributes:
        rules: what a training pair must keep.
        tokenise: cuts words, if they are to be cut.
        normalisation: sentencepiece's rule for characters; text must not be empty after it.
        skip_undecodable: leave out (and count) training pairs that are not UTF-8.
        valid_every: each clean pair with a number that this divides goes to validation; 0: none.
        workers: processes; changes nothing in the result.
    """

    rules: CleaningRules
    tokenise: Tokenise | None = None
    normalisation: str = "identity"
    skip_undecodable: bool = False
    valid_every: int = 0
    workers: int = 1


class Cleaned(NamedTuple):
    """What is left of a block of pairs.

    ``rows`` hold the columns of each kept pair: source and target, and their tokens where words
    are cut. ``hashes`` has one per row for each rule against repetition.
    """

    origin: str
    rows: list[tuple[str, ...]]
    hashes: dict[str, list[int]]
    removed: Counter[str]


def normalise(text: str) -> str:
    """``text`` with single spaces, none at the ends, and no invisible characters there.

    Every kind of Unicode white space becomes a space: also those that some programs take for the
    end of a line.
    """
    return " ".join(text.split()).strip(_INVISIBLE)


def columns_of(source: str, target: str, tokenise: Tokenise | None) -> tuple[str, ...]:
    """The columns of a raw pair: both sides normalised, and their tokens if words are cut."""
    plain = normalise(source), normalise(target)
    # From the raw text: Moses' rules know what a no-break space between digits means.
    return plain if tokenise is None else (*plain, *map(normalise, tokenise(source, target)))


def is_empty(text: str, normalisation: str = "identity") -> bool:
    """Whether nothing that can be seen is left of normalised ``text`` once it is cut into pieces.

    A character that stands for one that could not be decoded (U+FFFD) is nothing.
    """
    if _LETTER.search(text):
        return False
    left = _normaliser(normalisation).Normalize(text)
    return all(unicodedata.category(char)[0] in "CZ" or char in _NO_TEXT for char in left)


@lru_cache
def _normaliser(rule: str) -> sentencepiece.SentencePieceNormalizer:
    return sentencepiece.SentencePieceNormalizer(rule_name=rule)


def broken_rule(
    source: str, target: str, rules: CleaningRules, normalisation: str = "identity"
) -> str | None:
    """The first rule that a normalised pair breaks, if any (duplicates are found elsewhere)."""
    if is_empty(source, normalisation) or is_empty(target, normalisation):
        return "empty"
    short, long = sorted((count_words(source), count_words(target)))
    if long > rules.max_words:
        return "length"
    if long > rules.max_ratio * short:
        return "ratio"
    if rules.drop_copies and source == target and long > LONGEST_COPY:
        return "copy"
    return None


def clean_block(block: RawBlock, how: Cleaning) -> Cleaned:
    """Make columns of a block of training pairs and keep those that break no rule.

    Where words are cut, the rules count tokens.

    Raises:
        UserError: a line is not UTF-8, unless ``how`` skips them.
    """
    hashes = how.rules.hashes
    cleaned = Cleaned(block.origin.name, [], {rule: [] for rule in hashes}, Counter())
    for pair in decoded(block, skip_undecodable=how.skip_undecodable):
        if pair.source is None or pair.target is None:
            cleaned.removed["undecodable"] += 1
            continue
        row = columns_of(pair.source, pair.target, how.tokenise)
        broken = broken_rule(row[-2], row[-1], how.rules, how.normalisation)
        if not broken and any(map(is_other_language, row[:2], how.rules.languages or ())):
            broken = "language"
        if broken:
            cleaned.removed[broken] += 1
        else:
            cleaned.rows.append(row)
            for rule, hash_of in hashes.items():
                cleaned.hashes[rule].append(hash_of(row[0], row[1]))
    return cleaned
