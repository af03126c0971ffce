"""What every source of bilingual values shares: the value, the slot, and small draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

LANGUAGES = ("en", "de")
# CLDR separates numbers and units by non-breaking spaces, and marks hyphenation points in names.
_PLAIN = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u00ad": None})

Rng = np.random.Generator
_T = TypeVar("_T")


class Bilingual(NamedTuple):
    """The same value in English and in German."""

    en: str
    de: str


#: A slot draws one value, in both languages at once.
Slot = Callable[[Rng], Bilingual]


def plain(text: str) -> str:
    """``text`` with ordinary spaces and without soft hyphens."""
    return text.translate(_PLAIN)


def both(render: Callable[[str], str]) -> Bilingual:
    """Call ``render`` with each language's name."""
    return Bilingual(*(plain(render(language)) for language in LANGUAGES))


def pick(rng: Rng, values: Sequence[_T]) -> _T:
    """One of ``values``, each equally likely."""
    return values[int(rng.integers(len(values)))]


def words_of(text: str) -> tuple[str, ...]:
    """The words of a table that is written as text."""
    return tuple(text.split())


def number_of_digits(rng: Rng, low: int, high: int) -> int:
    """A number of ``low`` to ``high`` digits, each length equally likely."""
    digits = int(rng.integers(low, high + 1))
    return int(rng.integers(10 ** (digits - 1), 10**digits))
