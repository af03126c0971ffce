"""What every source of bilingual values shares: the value, the slot, and small draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

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


def both(write: Callable[[str], str]) -> Bilingual:
    """What ``write`` makes of each language's name, without unusual spaces and soft hyphens."""
    return Bilingual(*(write(language).translate(_PLAIN) for language in LANGUAGES))


def written(draw: Callable[[Rng], Any], write: Callable[..., str], **options: Any) -> Slot:
    """The slot of what ``draw`` gives, in each language (``locale``) as ``write`` has it."""

    def slot(rng: Rng) -> Bilingual:
        value = draw(rng)
        return both(lambda language: write(value, locale=language, **options))

    return slot


def pick(rng: Rng, values: Sequence[_T]) -> _T:
    """One of ``values``, each equally likely."""
    return values[int(rng.integers(len(values)))]


def number_of_digits(rng: Rng, low: int, high: int) -> int:
    """A number of ``low`` to ``high`` digits, each length equally likely."""
    digits = int(rng.integers(low, high + 1))
    return int(rng.integers(10 ** (digits - 1), 10**digits))
