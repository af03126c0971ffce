"""A made-up language pair with wrong pairs in it, whose text tells them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WORDS, FIRST = 400, 4


def spoiled(
    pairs: int, share: float, seed: int = 0
) -> tuple[list[list[int]], list[list[int]], NDArray[np.bool_]]:
    """Return [source sentences, target sentences] of word ids, and which pairs are wrong [P].

    A target is its source word by word, in reverse, by a dictionary of its own; of a wrong pair it
    is that of another source.
    """
    rng = np.random.default_rng(seed)
    chances = 1 / np.arange(3, WORDS - FIRST + 3)
    sizes = rng.integers(5, 16, pairs)
    source = [FIRST + rng.choice(WORDS - FIRST, n, p=chances / chances.sum()) for n in sizes]
    meaning = FIRST + rng.permutation(WORDS - FIRST)
    target = [meaning[words - FIRST][::-1] for words in source]
    wrong = rng.random(pairs) < share
    places = np.flatnonzero(wrong)
    for place, other in zip(places, np.roll(places, 1), strict=True):
        target[place] = meaning[source[other] - FIRST][::-1]
    return [list(map(int, s)) for s in source], [list(map(int, t)) for t in target], wrong
