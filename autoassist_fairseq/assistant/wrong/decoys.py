"""Decoys: pairs that are wrong for a known reason, since we made them so; each kind a function.

What a user adds to `KINDS` is found like the rest: a function of a `Stock` that returns a wrong
target for each of its pairs, or None where none can be made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.token_store import Ints, Ragged
from autoassist_fairseq.assistant.wrong.lexicon import Sides, part, stretch


@dataclass(frozen=True)
class Stock:
    """What decoys are made of.

    Attributes:
        sides: real pairs.
        before: the targets of the pairs that stand one line before each of them.
        alike: [V] the source word that is spelled like each target word, -1: none; None: unknown.
        rng: for what is drawn.
    """

    sides: Sides
    before: Ragged
    alike: Ints | None
    rng: np.random.Generator


def neighbour(stock: Stock) -> Ragged | None:
    """The translation of the line before: the hardest natural mistake."""
    return stock.before


def random(stock: Stock) -> Ragged | None:
    """The translation of another line, from anywhere."""
    order = stock.rng.permutation(len(stock.sides))
    moved = np.empty_like(order)
    moved[order] = np.roll(order, 1)  # one cycle: nobody keeps its own
    return part(stock.sides.target, moved)


def matched(stock: Stock) -> Ragged | None:
    """The translation of another line that is as long as the pair's own: all but its words fits."""
    sizes = np.diff(stock.sides.target.offsets)
    order = np.lexsort((stock.rng.permutation(len(sizes)), sizes))
    moved = np.empty_like(order)
    moved[order] = np.roll(order, 1)
    return part(stock.sides.target, moved)


def half(stock: Stock) -> Ragged | None:
    """The first half of the translation."""
    return _first(stock, 2)


def third(stock: Stock) -> Ragged | None:
    """The first third of the translation."""
    return _first(stock, 3)


def _first(stock: Stock, divisor: int) -> Ragged:
    target = stock.sides.target
    sizes = np.diff(target.offsets)
    return stretch(target, target.offsets[:-1], np.minimum(np.maximum(sizes // divisor, 1), sizes))


def copy(stock: Stock) -> Ragged | None:
    """The source itself: never translated."""
    source = stock.sides.source
    same = None if stock.alike is None else spelled(stock.alike, source.tokens)
    return None if same is None else Ragged(same, source.offsets)


def spelled(alike: Ints, tokens: Ints) -> NDArray[np.int32] | None:
    """Return the target words that are spelled like source ``tokens`` [K]; None if few are."""
    known = np.flatnonzero(alike >= 0)
    back = np.full(max(int(tokens.max(initial=0)), int(alike.max(initial=0))) + 1, -1, np.int32)
    back[alike[known]] = known
    return back[tokens] if (back[tokens] >= 0).all() else None


def made(stock: Stock) -> dict[int, tuple[Ints, Sides]]:
    """Return the decoys of each kind, by its place in `KINDS`, and the pairs [D] they are made of.

    What says the same as the pair's own target is none.
    """
    found = {}
    for place, make in enumerate(KINDS.values()):
        if (target := make(stock)) is None:
            continue
        if len(rows := np.flatnonzero(differ(stock.sides.target, target))):
            found[place] = rows, Sides(stock.sides.source, target).part(rows)
    return found


def differ(one: Ragged, other: Ragged) -> NDArray[np.bool_]:
    """Return where sentences [P] of ``one`` are others than those of ``other``."""
    sizes = np.diff(one.offsets)
    out: NDArray[np.bool_] = sizes != np.diff(other.offsets)
    rows = np.flatnonzero(~out)
    some, others = part(one, rows), part(other, rows)
    changed = np.append(0, np.cumsum(some.tokens != others.tokens))
    out[rows] = np.diff(changed[some.offsets]) > 0
    return out


KINDS: dict[str, Callable[[Stock], Ragged | None]] = {
    "neighbour": neighbour,
    "random": random,
    "matched": matched,
    "half": half,
    "third": third,
    "copy": copy,
}
