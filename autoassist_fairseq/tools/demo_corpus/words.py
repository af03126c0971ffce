"""Numbers and times of day in words."""

from __future__ import annotations

from num2words import num2words

from autoassist_fairseq.tools.demo_corpus.base import (
    Bilingual,
    Rng,
    Slot,
    both,
    number_of_digits,
    pick,
    written,
)

# For every five minutes. German counts towards the next hour from minute 25 on, English from 35 on.
_CLOCK = (
    ("{this} o'clock", "{this} Uhr"),
    ("five past {this}", "fünf nach {this}"),
    ("ten past {this}", "zehn nach {this}"),
    ("quarter past {this}", "Viertel nach {this}"),
    ("twenty past {this}", "zwanzig nach {this}"),
    ("twenty-five past {this}", "fünf vor halb {next}"),
    ("half past {this}", "halb {next}"),
    ("twenty-five to {next}", "fünf nach halb {next}"),
    ("twenty to {next}", "zwanzig vor {next}"),
    ("quarter to {next}", "Viertel vor {next}"),
    ("ten to {next}", "zehn vor {next}"),
    ("five to {next}", "fünf vor {next}"),
)


def words(number: float, locale: str, to: str = "cardinal", **options: str) -> str:
    """``number`` in the words of the language ``locale``."""
    return str(num2words(number, lang=locale, to=to, **options))


def _both_words(number: int) -> Bilingual:
    return both(lambda name: words(number, name))


def _clock(rng: Rng) -> Bilingual:
    """A time of day as people say it, to five minutes."""
    hour, fives = int(rng.integers(1, 13)), int(rng.integers(12))
    this = Bilingual("one", "ein") if (hour, fives) == (1, 0) else _both_words(hour)
    following = _both_words(hour % 12 + 1)
    forms = zip(_CLOCK[fives], this, following, strict=True)
    return Bilingual(*(form.format(this=now, next=then) for form, now, then in forms))


def _cardinal(low: int, high: int) -> Slot:
    """Number words for ``low`` to ``high`` digits, from two on."""

    def draw(rng: Rng) -> int:
        number = number_of_digits(rng, low, high)
        # German inflects a final "one" by gender, and "one" is singular: take the next number.
        return number + (number % 100 == 1)

    return written(draw, words)


def _ordinal(suffix: str = "") -> Slot:
    """Ordinal words up to 999; ``suffix`` is the German inflection."""
    return written(
        lambda rng: number_of_digits(rng, 1, 3),
        lambda number, locale: words(number, locale, "ordinal") + suffix * (locale == "de"),
    )


def _price(rng: Rng) -> Bilingual:
    """An amount of money in words, always with cents."""
    amount = int(rng.integers(2, 3000)) + int(rng.integers(2, 100)) / 100
    code = pick(rng, ("EUR", "USD", "GBP"))
    return both(lambda name: words(amount, name, "currency", currency=code))


def _equation(sign: int, english: str, german: str) -> Slot:
    """A sum (``sign`` 1) or difference (-1) of two numbers and its result, in these forms."""

    def slot(rng: Rng) -> Bilingual:
        small, large = sorted(number_of_digits(rng, 1, 3) for _ in range(2))
        parts = [_both_words(number) for number in (large, small, large + sign * small)]
        return Bilingual(
            english.format(*(part.en for part in parts)),
            german.format(*(part.de for part in parts)),
        )

    return slot


SLOTS: dict[str, Slot] = {
    "clock_words": _clock,
    "small_words": _cardinal(1, 2),
    "count_words": _cardinal(2, 4),
    "big_words": _cardinal(5, 9),
    "ordinal_words": _ordinal(),
    "ordinal_dative": _ordinal("n"),
    "year_words": written(lambda rng: int(rng.integers(1100, 2030)), words, to="year"),
    "price_words": _price,
    "sum": _equation(1, "{} plus {} is {}", "{} plus {} ist {}"),
    "sum_clause": _equation(1, "{} plus {} is {}", "{} plus {} {} ist"),
    "difference": _equation(-1, "{} minus {} is {}", "{} minus {} ist {}"),
    "difference_clause": _equation(-1, "{} minus {} is {}", "{} minus {} {} ist"),
}
