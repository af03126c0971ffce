"""Dates, times and spans of time as CLDR writes them."""

from __future__ import annotations

import datetime

from babel import dates

from autoassist_fairseq.tools.demo_corpus.base import Bilingual, Rng, Slot, both, pick

# A threshold that no amount reaches: Babel then keeps the unit that it is asked for.
_KEEP_UNIT = 10**9
_UNIT_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
_FIRST_DAY = datetime.date(1900, 1, 1)
_DAYS = 47_000  # up to the year 2028


def _draw_date(rng: Rng) -> datetime.date:
    return _FIRST_DAY + datetime.timedelta(days=int(rng.integers(_DAYS)))


def _draw_time(rng: Rng) -> datetime.time:
    return datetime.time(int(rng.integers(24)), int(rng.integers(60)), int(rng.integers(60)))


def date(pattern: str) -> Slot:
    """A date in one of CLDR's widths or in a pattern of its fields."""

    def slot(rng: Rng) -> Bilingual:
        value = _draw_date(rng)
        return both(lambda locale: dates.format_date(value, pattern, locale=locale))

    return slot


def date_fields(skeleton: str) -> Slot:
    """Some fields of a date, in the order and form that each language has for them."""

    def slot(rng: Rng) -> Bilingual:
        moment = datetime.datetime.combine(_draw_date(rng), datetime.time())
        return both(lambda locale: dates.format_skeleton(skeleton, moment, locale=locale))

    return slot


def clock(width: str) -> Slot:
    """A time of day: twelve hours in English, twenty-four in German."""

    def slot(rng: Rng) -> Bilingual:
        value = _draw_time(rng)
        return both(lambda locale: dates.format_time(value, width, locale=locale))

    return slot


def span(sign: int, *, relative: bool) -> Slot:
    """Two to 99 days, weeks, months or years: ago, ahead, or just that long."""

    def slot(rng: Rng) -> Bilingual:
        unit = pick(rng, tuple(_UNIT_DAYS))
        delta = datetime.timedelta(days=sign * int(rng.integers(2, 100)) * _UNIT_DAYS[unit])
        return both(
            lambda locale: dates.format_timedelta(
                delta,
                granularity=unit,
                threshold=_KEEP_UNIT,
                add_direction=relative,
                locale=locale,
            )
        )

    return slot


def year(rng: Rng) -> Bilingual:
    """A year in digits."""
    digits = str(rng.integers(1500, 2040))
    return Bilingual(digits, digits)
