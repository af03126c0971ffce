"""Numbers and times of day in words."""

from __future__ import annotations

from num2words import num2words

from autoassist_fairseq.tools.demo_corpus.base import Bilingual, Rng, Slot, number_of_digits, pick

_PAST = {
    0: ("{} o'clock", "{} Uhr"),
    5: ("five past {}", "fünf nach {}"),
    10: ("ten past {}", "zehn nach {}"),
    15: ("quarter past {}", "Viertel nach {}"),
    20: ("twenty past {}", "zwanzig nach {}"),
}
# From here on German counts towards the next hour, five minutes before English does.
_TOWARDS = {
    25: ("twenty-five past {}", "fünf vor halb {}"),
    30: ("half past {}", "halb {}"),
}
_BEFORE = {
    35: ("twenty-five to {}", "fünf nach halb {}"),
    40: ("twenty to {}", "zwanzig vor {}"),
    45: ("quarter to {}", "Viertel vor {}"),
    50: ("ten to {}", "zehn vor {}"),
    55: ("five to {}", "fünf vor {}"),
}


def words(number: float, language: str, to: str = "cardinal", **options: str) -> str:
    """``number`` in the words of ``language``."""
    return str(num2words(number, lang=language, to=to, **options))


def clock_words(hour: int, minute: int) -> Bilingual:
    """The time of day as people say it: ``hour`` in 1..12, ``minute`` a multiple of five."""
    following = hour % 12 + 1
    if minute in _PAST:
        (english, german), hours = _PAST[minute], (hour, hour)
    elif minute in _TOWARDS:
        (english, german), hours = _TOWARDS[minute], (hour, following)
    else:
        (english, german), hours = _BEFORE[minute], (following, following)
    german_hour = "ein" if hours[1] == 1 and minute == 0 else words(hours[1], "de")
    return Bilingual(english.format(words(hours[0], "en")), german.format(german_hour))


def spoken_clock(rng: Rng) -> Bilingual:
    """A time such as "half past three"."""
    return clock_words(int(rng.integers(1, 13)), 5 * int(rng.integers(12)))


def cardinal(low: int, high: int) -> Slot:
    """Number words for ``low`` to ``high`` digits, from two on."""

    def slot(rng: Rng) -> Bilingual:
        number = number_of_digits(rng, low, high)
        # German inflects a final "one" by gender, and "one" is singular: take the next number.
        number += number % 100 == 1
        return Bilingual(words(number, "en"), words(number, "de"))

    return slot


def ordinal(suffix: str = "") -> Slot:
    """Ordinal words up to 999; ``suffix`` is the German inflection."""

    def slot(rng: Rng) -> Bilingual:
        number = number_of_digits(rng, 1, 3)
        return Bilingual(words(number, "en", "ordinal"), words(number, "de", "ordinal") + suffix)

    return slot


def year_words(rng: Rng) -> Bilingual:
    """A year in words, as it is read."""
    year = int(rng.integers(1100, 2030))
    return Bilingual(words(year, "en", "year"), words(year, "de", "year"))


def price_words(rng: Rng) -> Bilingual:
    """An amount of money in words, always with cents."""
    amount = int(rng.integers(2, 3000)) + int(rng.integers(2, 100)) / 100
    code = pick(rng, ("EUR", "USD", "GBP"))
    return Bilingual(*(words(amount, name, "currency", currency=code) for name in ("en", "de")))


def equation(operator: str, *, verb_last: bool = False) -> Slot:
    """A sum or difference of two numbers, with its result; ``verb_last``: as a German clause."""

    def slot(rng: Rng) -> Bilingual:
        small, large = sorted(number_of_digits(rng, 1, 3) for _ in range(2))
        result = large + small if operator == "plus" else large - small
        english, german = (
            [words(number, language) for number in (large, small, result)]
            for language in ("en", "de")
        )
        end = f"{german[2]} ist" if verb_last else f"ist {german[2]}"
        return Bilingual(
            f"{english[0]} {operator} {english[1]} is {english[2]}",
            f"{german[0]} {operator} {german[1]} {end}",
        )

    return slot
