"""The slots that templates may name."""

from __future__ import annotations

from autoassist_fairseq.tools.demo_corpus import amounts, calendar, names, words
from autoassist_fairseq.tools.demo_corpus.base import Slot

SLOTS: dict[str, Slot] = {
    # Names
    "person": names.one(names.people()),
    "city": names.one(names.cities()),
    "country": names.one(names.countries()),
    "language": names.one(names.languages()),
    "countries": names.several(names.countries()),
    "cities": names.several(names.cities()),
    "languages": names.several(names.languages()),
    "country_or": names.several(names.countries(), "or"),
    "people": names.several(names.people()),
    "any_territory": names.one(names.cldr_names("territories")),
    "any_language": names.one(names.cldr_names("languages")),
    "any_script": names.one(names.cldr_names("scripts")),
    "any_currency": names.one(names.cldr_names("currencies")),
    # Calendar
    "date_full": calendar.date("full"),
    "date_long": calendar.date("long"),
    "date_medium": calendar.date("medium"),
    "date_short": calendar.date("short"),
    "weekday": calendar.date("EEEE"),
    "month": calendar.date("MMMM"),
    "month_year": calendar.date_fields("yMMMM"),
    "month_day": calendar.date_fields("MMMMd"),
    "weekday_day": calendar.date_fields("MMMMEd"),
    "quarter": calendar.date_fields("yQQQQ"),
    "clock": calendar.clock("short"),
    "clock_seconds": calendar.clock("medium"),
    "clock_words": words.spoken_clock,
    "ago": calendar.span(-1, relative=True),
    "ahead": calendar.span(+1, relative=True),
    "span": calendar.span(+1, relative=False),
    "year": calendar.year,
    "year_words": words.year_words,
    # Numbers
    "count": amounts.count,
    "decimal": amounts.decimal,
    "share": amounts.share,
    "percent": amounts.percent,
    "millions": amounts.millions,
    "small_words": words.cardinal(1, 2),
    "count_words": words.cardinal(2, 4),
    "big_words": words.cardinal(5, 9),
    "ordinal_words": words.ordinal(),
    "ordinal_dative": words.ordinal("n"),
    "sum": words.equation("plus"),
    "difference": words.equation("minus"),
    "sum_clause": words.equation("plus", verb_last=True),
    "difference_clause": words.equation("minus", verb_last=True),
    # Amounts
    "price": amounts.price("name"),
    "price_symbol": amounts.price("standard"),
    "price_words": words.price_words,
    "length": amounts.measure(amounts.LENGTHS),
    "mass": amounts.measure(amounts.MASSES),
    "speed": amounts.measure(amounts.SPEEDS),
    "volume": amounts.measure(amounts.VOLUMES),
    "area": amounts.measure(amounts.AREAS),
    "duration": amounts.measure(amounts.DURATIONS),
    "measure": amounts.measure(amounts.ALL_MEASURES),
    "temperature": amounts.temperature,
}
