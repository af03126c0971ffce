"""The frames of the demo corpus: ``{slot}`` is drawn once and put into both languages.

A digit after a slot's name draws it once more (``{city}`` and ``{city2}``). German inflects, so a
slot stands only where its form fits: countries have no article, ordinals say their ending.
"""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """Templates of one kind, and the share of the corpus that they make up (in [0, 1])."""

    share: float
    templates: tuple[tuple[str, str], ...]


def _alone(*slots: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"{{{slot}}}", f"{{{slot}}}") for slot in slots)


NAMES = Group(0.05, _alone("any_territory", "any_language", "any_script", "any_currency"))

CALENDAR = Group(
    0.13,
    (
        *_alone("date_full", "date_long", "date_medium", "date_short", "weekday_day"),
        *_alone("clock", "clock_seconds", "month_year", "quarter", "ago", "ahead", "span"),
        ("on {date_full}", "am {date_full}"),
        ("until {date_long}", "bis zum {date_long}"),
        ("since {month_day}", "seit dem {month_day}"),
        ("from {date_long} to {date_long2}", "vom {date_long} bis zum {date_long2}"),
        ("between {clock} and {clock2}", "zwischen {clock} und {clock2} Uhr"),
        ("{weekday} at {clock}", "{weekday} um {clock} Uhr"),
        ("it is {clock_words} now", "es ist jetzt {clock_words}"),
    ),
)

NUMBERS = Group(
    0.15,
    (
        *_alone("decimal", "percent", "millions", "measure", "price", "price_symbol", "length"),
        ("neither {decimal} nor {count}", "weder {decimal} noch {count}"),
        ("{measure} or {measure2}", "{measure} oder {measure2}"),
        ("not more than {price}", "nicht mehr als {price}"),
        ("at least {share} percent", "mindestens {share} Prozent"),
        ("{count} times {count2}", "{count} mal {count2}"),
    ),
)

LISTS = Group(
    0.07,
    (
        *_alone("countries", "cities", "languages", "country_or"),
        ("We visited {cities}.", "Wir haben {cities} besucht."),
        ("{people} speak {language}.", "{people} sprechen {language}."),
        ("The translation exists in {languages}.", "Die Übersetzung gibt es auf {languages}."),
        ("The team plays against {country_or}.", "Die Mannschaft spielt gegen {country_or}."),
    ),
)

WORDS = Group(
    0.2,
    (
        *_alone("count_words", "big_words", "big_words", "year_words", "price_words"),
        ("{sum}", "{sum}"),
        ("{difference}", "{difference}"),
        ("the {ordinal_words} question", "die {ordinal_words} Frage"),
        ("the {ordinal_words} day of {month}", "der {ordinal_words} Tag im {month}"),
        ("{price_words} per person", "{price_words} pro Person"),
        ("{big_words} is a large number", "{big_words} ist eine große Zahl"),
        ("{count_words} of {count_words2} people", "{count_words} von {count_words2} Menschen"),
        ("in the year {year_words}", "im Jahr {year_words}"),
    ),
)

GROUPS_OF_PHRASES = (NAMES, CALENDAR, NUMBERS, LISTS, WORDS)
