"""Dates, times and spans of time as CLDR writes them."""

from __future__ import annotations

import datetime

from babel import dates

from autoassist_fairseq.tools.demo_corpus.base import Bilingual, Rng, Slot, both, pick, written

# A threshold that no amount reaches: Babel then keeps the unit that it is asked for.
_KEEP_UNIT = 10**9
_UNIT_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
_FIRST_DAY = datetime.datetime(1900, 1, 1)
_DAYS = 47_000  # up to the year 2028


def _day(rng: Rng) -> datetime.datetime:
    return _FIRST_DAY + datetime.timedelta(days=int(rng.integers(_DAYS)))


def _time(rng: Rng) -> datetime.time:
    return datetime.time(int(rng.integers(24)), int(rng.integers(60)), int(rng.integers(60)))


def _date(form: str) -> Slot:
    """A date in one of CLDR's widths or in a pattern of its fields."""
    return written(_day, dates.format_date, format=form)


def _fields(skeleton: str) -> Slot:
    """Some fields of a date, in the order and form that each language has for them."""
    return written(_day, lambda day, locale: dates.format_skeleton(skeleton, day, locale=locale))


def _span(sign: int, *, relative: bool) -> Slot:
    """Two to 99 days, weeks, months or years: ago, ahead, or just that long."""

    def slot(rng: Rng) -> Bilingual:
        unit = pick(rng, tuple(_UNIT_DAYS))
        delta = datetime.timedelta(days=sign * int(rng.integers(2, 100)) * _UNIT_DAYS[unit])
        return both(
            lambda locale: dates.format_timedelta(
                delta, unit, threshold=_KEEP_UNIT, add_direction=relative, locale=locale
            )
        )

    return slot


SLOTS: dict[str, Slot] = {
    "date_full": _date("full"),
    "date_long": _date("long"),
    "date_medium": _date("medium"),
    "date_short": _date("short"),
    "weekday": _date("EEEE"),
    "month": _date("MMMM"),
    "month_year": _fields("yMMMM"),
    "month_day": _fields("MMMMd"),
    "weekday_day": _fields("MMMMEd"),
    "quarter": _fields("yQQQQ"),
    "clock": written(_time, dates.format_time, format="short"),
    "clock_seconds": written(_time, dates.format_time, format="medium"),
    "ago": _span(-1, relative=True),
    "ahead": _span(+1, relative=True),
    "span": _span(+1, relative=False),
    "year": written(lambda rng: rng.integers(1500, 2040), lambda year, locale: str(year)),
}
