"""Prices, measures and numbers as CLDR writes them."""

from __future__ import annotations

from babel import numbers, units

from autoassist_fairseq.tools.demo_corpus.base import (
    Bilingual,
    Rng,
    Slot,
    both,
    number_of_digits,
    pick,
    words_of,
)

CURRENCIES = words_of(
    "AUD BRL CAD CHF CNY CZK DKK EUR GBP HUF ILS INR JPY KRW MXN NOK NZD PLN SEK THB USD ZAR"
)
LENGTHS = (
    *(f"length-{unit}" for unit in ("meter", "kilometer", "centimeter", "millimeter", "mile")),
    *(f"length-{unit}" for unit in ("inch", "foot", "yard", "nautical-mile", "light-year")),
)
MASSES = tuple(f"mass-{unit}" for unit in ("gram", "kilogram", "milligram", "pound", "tonne"))
SPEEDS = tuple(f"speed-{unit}" for unit in ("kilometer-per-hour", "meter-per-second", "knot"))
VOLUMES = tuple(f"volume-{unit}" for unit in ("liter", "milliliter", "cubic-meter", "barrel"))
AREAS = tuple(f"area-{unit}" for unit in ("hectare", "square-meter", "square-kilometer"))
DURATIONS = tuple(f"duration-{unit}" for unit in ("second", "minute", "hour", "day", "week"))
TECHNICAL = (
    *(f"power-{unit}" for unit in ("watt", "kilowatt", "megawatt", "horsepower")),
    *(f"energy-{unit}" for unit in ("joule", "kilojoule", "kilowatt-hour", "calorie")),
    *(f"digital-{unit}" for unit in ("byte", "kilobyte", "megabyte", "gigabyte", "terabyte")),
    *(f"frequency-{unit}" for unit in ("hertz", "kilohertz", "megahertz", "gigahertz")),
    *("electric-volt", "electric-ampere", "pressure-hectopascal", "force-newton", "angle-degree"),
)
ALL_MEASURES = (*LENGTHS, *MASSES, *SPEEDS, *VOLUMES, *AREAS, *DURATIONS, *TECHNICAL)


def price(form: str) -> Slot:
    """An amount of money: ``form`` is "standard" (with a symbol) or "name"."""

    def slot(rng: Rng) -> Bilingual:
        amount = int(rng.integers(200, 10 ** int(rng.integers(3, 8)))) / 100
        code = pick(rng, CURRENCIES)
        return both(
            lambda locale: numbers.format_currency(
                amount,
                code,
                locale=locale,
                format_type=form,
            )
        )

    return slot


def measure(kinds: tuple[str, ...]) -> Slot:
    """From 2 to 999 of one of CLDR's units, in whole numbers or with one decimal."""

    def slot(rng: Rng) -> Bilingual:
        whole = int(rng.integers(2, 1000))
        amount = whole if rng.random() < 0.6 else whole + int(rng.integers(1, 10)) / 10
        kind = pick(rng, kinds)
        return both(lambda locale: units.format_unit(amount, kind, locale=locale))

    return slot


def temperature(rng: Rng) -> Bilingual:
    """Degrees Celsius from 2 to 45, or below zero."""
    degrees = int(rng.integers(2, 46)) * int(rng.choice((-1, 1)))
    return both(lambda locale: units.format_unit(degrees, "temperature-celsius", locale=locale))


def decimal(rng: Rng) -> Bilingual:
    """A number in digits: grouped, with up to three decimals."""
    value = number_of_digits(rng, 2, 9) / 10 ** int(rng.integers(0, 4))
    return both(lambda locale: numbers.format_decimal(value, locale=locale))


def count(rng: Rng) -> Bilingual:
    """A whole number in digits, from two on."""
    value = max(2, number_of_digits(rng, 1, 6))
    return both(lambda locale: numbers.format_decimal(value, locale=locale))


def share(rng: Rng) -> Bilingual:
    """A number for percent: above one, one decimal."""
    value = int(rng.integers(11, 1000)) / 10
    return both(lambda locale: numbers.format_decimal(value, locale=locale))


def percent(rng: Rng) -> Bilingual:
    """A share with a percent sign."""
    value = int(rng.integers(1, 1000)) / 1000
    return both(
        lambda locale: numbers.format_percent(
            value,
            format="#,##0.#%" if locale == "en" else "#,##0.# %",
            locale=locale,
        )
    )


def millions(rng: Rng) -> Bilingual:
    """A round number such as "3.4 million", more than one of them."""
    value = int(rng.integers(11, 9999)) * 10 ** int(rng.choice((5, 8)))
    return both(
        lambda locale: numbers.format_compact_decimal(
            value, format_type="long", locale=locale, fraction_digits=1
        )
    )
