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
    written,
)

_CURRENCIES = """
    AUD BRL CAD CHF CNY CZK DKK EUR GBP HUF ILS INR JPY KRW MXN NOK NZD PLN SEK THB USD ZAR
"""
_UNITS = """
    length-meter length-kilometer length-centimeter length-millimeter length-mile
    length-inch length-foot length-yard length-nautical-mile length-light-year
    mass-gram mass-kilogram mass-milligram mass-pound mass-tonne
    speed-kilometer-per-hour speed-meter-per-second speed-knot
    volume-liter volume-milliliter volume-cubic-meter volume-barrel
    area-hectare area-square-meter area-square-kilometer
    duration-second duration-minute duration-hour duration-day duration-week
    power-watt power-kilowatt power-megawatt power-horsepower
    energy-joule energy-kilojoule energy-kilowatt-hour energy-calorie
    digital-byte digital-kilobyte digital-megabyte digital-gigabyte digital-terabyte
    frequency-hertz frequency-kilohertz frequency-megahertz frequency-gigahertz
    electric-volt electric-ampere pressure-hectopascal force-newton angle-degree
"""


def _price(form: str) -> Slot:
    def slot(rng: Rng) -> Bilingual:
        amount = int(rng.integers(200, 10 ** int(rng.integers(3, 8)))) / 100
        code = pick(rng, _CURRENCIES.split())
        return both(
            lambda locale: numbers.format_currency(amount, code, locale=locale, format_type=form)
        )

    return slot


def _measure(kind: str = "") -> Slot:
    kinds = [unit for unit in _UNITS.split() if unit.startswith(kind)]

    def slot(rng: Rng) -> Bilingual:
        whole = int(rng.integers(2, 1000))
        amount = whole if rng.random() < 0.6 else whole + int(rng.integers(1, 10)) / 10
        unit = pick(rng, kinds)
        return both(lambda locale: units.format_unit(amount, unit, locale=locale))

    return slot


def _percent(value: float, locale: str) -> str:
    form = "#,##0.#%" if locale == "en" else "#,##0.# %"
    return str(numbers.format_percent(value, format=form, locale=locale))


SLOTS: dict[str, Slot] = {
    "price": _price("name"),
    "price_symbol": _price("standard"),
    "length": _measure("length"),
    "mass": _measure("mass"),
    "speed": _measure("speed"),
    "volume": _measure("volume"),
    "area": _measure("area"),
    "duration": _measure("duration"),
    "measure": _measure(),
    "temperature": written(
        lambda rng: int(rng.integers(2, 46)) * int(rng.choice((-1, 1))),
        units.format_unit,
        measurement_unit="temperature-celsius",
    ),
    # From two on, as "one" is singular; so is what is shown as 1.0 percent or million.
    "count": written(lambda rng: max(2, number_of_digits(rng, 1, 6)), numbers.format_decimal),
    "decimal": written(
        lambda rng: number_of_digits(rng, 2, 9) / 10 ** int(rng.integers(4)),
        numbers.format_decimal,
    ),
    "share": written(lambda rng: int(rng.integers(11, 1000)) / 10, numbers.format_decimal),
    "percent": written(lambda rng: int(rng.integers(1, 1000)) / 1000, _percent),
    "millions": written(
        lambda rng: int(rng.integers(11, 9999)) * 10 ** int(rng.choice((5, 8))),
        numbers.format_compact_decimal,
        format_type="long",
        fraction_digits=1,
    ),
}
