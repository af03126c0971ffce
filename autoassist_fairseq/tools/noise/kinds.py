"""The kinds of wrong pairs that can be made of good ones: one small function each.

To add one, write it and name it in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.tools.common.languages import count_words

Lines: TypeAlias = list[str]
Places: TypeAlias = NDArray[np.int64]
Rng: TypeAlias = np.random.Generator
SOURCE, TARGET = 0, 1
# Lines whose words replace others, at most: enough for them to be as frequent as in all.
POOL = 10_000


@dataclass(frozen=True)
class Text:
    """A corpus before it is spoiled.

    Attributes:
        source, target: a line for each pair.
        others: lines of another language; those of a mapping belong to the pair of their key.
    """

    source: Lines
    target: Lines
    others: Sequence[str] | Mapping[int, str] = field(default_factory=list)


def shuffled(text: Text, places: Places, rng: Rng) -> Lines:
    """Return their targets dealt out among them: each gets another's, if there are two."""
    order = rng.permutation(len(places))
    moved = np.empty(len(places), np.int64)
    moved[order] = np.roll(order, 1)  # one cycle: nobody keeps its own
    return [text.target[place] for place in places[moved]]


def matched(text: Text, places: Places, rng: Rng) -> Lines:
    """Return targets of others among them that are about as long: each, where it can, another."""
    lines = [text.target[place] for place in places]
    sizes = np.array([len(line) for line in lines])
    order = np.lexsort((rng.permutation(len(lines)), sizes))
    in_order = [lines[at] for at in order]
    for position, at in enumerate(order):
        lines[at] = _another(in_order, (position + 1) % len(in_order), in_order[position])
    return lines


def copied(text: Text, places: Places, rng: Rng) -> Lines:
    """Return their sources: pairs that were never translated."""
    return [text.source[place] for place in places]


def truncated(text: Text, places: Places, rng: Rng) -> Lines:
    """Return their targets cut to the first third, at least one word."""
    return [_beginning(text.target[place], 3) for place in places]


def halved(text: Text, places: Places, rng: Rng) -> Lines:
    """Return the first half of their targets: the translation of half a line."""
    return [_beginning(text.target[place], 2) for place in places]


def split(text: Text, places: Places, rng: Rng) -> Lines:
    """Return the first half of their *sources*: lines that were cut in two on that side alone."""
    return [_beginning(text.source[place], 2) for place in places]


def neighbours(text: Text, places: Places, rng: Rng) -> Lines:
    """Return the target of the line before or after each, by chance, where that is another."""
    steps = rng.integers(0, 2, len(places)) * 2 - 1
    return [_neighbour(text.target, int(p), int(s)) for p, s in zip(places, steps, strict=True)]


def _neighbour(target: Lines, place: int, step: int) -> str:
    near = (place + step, place - step)
    return _another([target[at] for at in near if 0 <= at < len(target)], 0, target[place])


def merged(text: Text, places: Places, rng: Rng) -> Lines:
    """Return their targets with the next line's behind them: lines joined on that side alone."""
    return [f"{text.target[place]} {text.target[place + 1]}" for place in places]


def foreign(text: Text, places: Places, rng: Rng) -> Lines:
    """Return lines of another language: their own, or others by chance, none twice if it can be."""
    if isinstance(text.others, Mapping):
        return [text.others[int(place)] for place in places]
    again = len(places) > len(text.others)
    drawn = rng.choice(len(text.others), len(places), replace=again)
    both = zip(places, drawn, strict=True)
    return [_another(text.others, number, text.target[place]) for place, number in both]


def reworded(text: Text, places: Places, rng: Rng) -> Lines:
    """Return their targets with a third of the words, at least one, replaced by the corpus's."""
    drawn = rng.choice(len(text.target), min(len(text.target), POOL), replace=False)
    pool = [word for number in drawn for word in _words(text.target[number])[0]]
    return [_reworded(text.target[place], pool, rng) for place in places]


def _reworded(line: str, pool: Lines, rng: Rng) -> str:
    words, space = _words(line)
    for at in rng.choice(len(words), max(1, len(words) // 3), replace=False):
        words[at] = _another(pool, int(rng.integers(len(pool))), words[at])
    return space.join(words)


def _another(lines: Sequence[str], first: int, than: str) -> str:
    """Return the first of ``lines`` from ``first`` on, then from the top, that differs."""
    order = chain(range(first, len(lines)), range(first))
    return next((lines[number] for number in order if lines[number] != than), than)


def _beginning(line: str, parts: int) -> str:
    """Return the first of so many equal parts, at least one word."""
    words, space = _words(line)
    return space.join(words[: max(1, len(words) // parts)])


def _words(line: str) -> tuple[Lines, str]:
    """Return the words of a line and what joins them: characters, in a script without spaces."""
    words = line.split()
    if count_words(" ".join(words)) > len(words):
        return list(line), ""
    return words, " "


@dataclass(frozen=True)
class Kind:
    """One way in which pairs are wrong.

    Attributes:
        spoil: makes new lines for some places of a text.
        able: whether it can make of a place another pair than it was.
        side: whose lines they are.
    """

    spoil: Callable[[Text, Places, Rng], Lines]
    able: Callable[[Text, int], bool] = lambda text, place: True
    side: int = TARGET


def _has_neighbour(text: Text, place: int) -> bool:
    return _neighbour(text.target, place, 1) != text.target[place]


def _has_next(text: Text, place: int) -> bool:
    return place + 1 < len(text.target) and bool(text.target[place + 1].strip())


def _has_foreign(text: Text, place: int) -> bool:
    own = text.target[place]
    if isinstance(text.others, Mapping):
        return text.others.get(place, own) != own
    return _another(text.others, 0, own) != own


def _has_other(text: Text, place: int) -> bool:
    return _another(text.target, 0, text.target[place]) != text.target[place]


def _has_words(text: Text, place: int) -> bool:
    return bool(text.target[place].strip()) and _has_other(text, place)


def _has_parts(text: Text, place: int) -> bool:
    return len(_words(text.target[place])[0]) > 1


KINDS: dict[str, Kind] = {
    "shuffle": Kind(shuffled, _has_other),
    "matched": Kind(matched, _has_other),
    "copy": Kind(copied, lambda text, place: text.source[place] != text.target[place]),
    "truncate": Kind(truncated, _has_parts),
    "neighbour": Kind(neighbours, _has_neighbour),
    "half": Kind(halved, _has_parts),
    "language": Kind(foreign, _has_foreign),
    "words": Kind(reworded, _has_words),
    "merge": Kind(merged, _has_next),
    "split": Kind(split, lambda text, place: len(_words(text.source[place])[0]) > 1, SOURCE),
}
