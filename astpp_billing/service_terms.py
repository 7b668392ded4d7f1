"""The terms of an order over time, and the periods that follow from them: pure functions, no ORM.

All days are local dates of the account, and all spans are half-open. A period begins with the order, where the last
one ended, with other terms that begin one of their own, or when a paused order is resumed after its paid period.
"""

import calendar
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from .renewal_period import shifted

ACTIVE, PAUSED, ENDED = "active", "paused", "ended"


class Terms(NamedTuple):
    """What holds from a day on, until the next terms."""

    day: date
    product: int
    """the product's id"""
    quantity: int
    price: Decimal
    """for a period and piece, in the server's base currency"""
    unit: str = "month"
    """day, month or year"""
    units: int = 1
    """how many of them a period has; 0: paid once, without end"""
    prorate: bool = False
    """days of these terms inside a running period, and periods whose end is known, are charged by the day"""
    refund: bool = False
    """days of a paid period that are not used are given back"""
    status: str = ACTIVE
    restarts: bool = False
    """a full new period begins on this day, whatever runs"""
    joins: int = 0
    """the account's billing day, to which the first period of these terms runs; 0: periods keep their own day"""
    known: date | None = None
    """when an end was said"""

    @property
    def sold(self) -> tuple:
        """What is sold; rows that differ in their status only sell the same."""
        return self[1:8]

    @property
    def length(self) -> tuple[str, int]:
        """Return the unit and how many of them a period has; all that has no end is alike."""
        return (self.unit, self.units) if self.units > 0 else ("", 0)


class Period(NamedTuple):
    """A period that was or will be charged."""

    start: date
    end: date | None
    """None: without end"""
    anchor: int
    """the day of the month that this period and those that follow keep to"""


def at(timeline: Sequence[Terms], day: date) -> Terms:
    """Return the terms that hold on a day; before the first ones, as in a period that was taken over, these do.

    :param timeline: in order of their days, one for each day, at least one
    """
    return next((terms for terms in reversed(timeline) if terms.day <= day), timeline[0])


def first_period(terms: Terms, start: date) -> Period:
    """Return the first period of terms: the first of an order, or of a new unit.

    :raise ValueError, OverflowError: when no calendar has its end
    """
    anchor = terms.joins if terms.joins and terms.unit == "month" else start.day
    return period_of(terms, start, anchor)


def period_of(terms: Terms, start: date, anchor: int) -> Period:
    """Return the period of these terms that starts then; it is shorter if it first has to come to its anchor day.

    :raise ValueError, OverflowError: when no calendar has its end
    """
    if terms.units < 1:
        return Period(start, None, anchor)
    if terms.unit == "day" or _is_anchor(start, anchor):
        return Period(start, shifted(start, terms.unit, terms.units, anchor), anchor)
    end = shifted(start, "month", 0, anchor)
    return Period(start, end if end > start else shifted(start, "month", 1, anchor), anchor)


def _is_anchor(day: date, anchor: int) -> bool:
    return day.day == min(anchor, calendar.monthrange(day.year, day.month)[1])


def whole_days(terms: Terms, period: Period) -> int:
    """Return the days of the whole period of these terms that ends with ``period``, which may be shorter."""
    if period.end is None:
        return 1
    if terms.unit == "day":
        return terms.units
    try:
        return (period.end - shifted(period.end, terms.unit, -terms.units, period.anchor)).days
    except (OverflowError, ValueError):
        # No calendar has such a period: it was opened by other terms.
        return (period.end - period.start).days


def cut(timeline: Iterable[Terms], period: Period) -> date | None:
    """Return the day inside a period on which other terms begin a period of their own, or None.

    Terms do so when the accountant says so and, with another unit, when they are charged by the day. Others wait for
    the end of what is paid; what has no end is not waited for.
    """
    before = None
    for terms in timeline:
        if terms.day <= period.start or before is None:
            before = terms
            continue
        if terms.status == ENDED or (period.end is not None and terms.day >= period.end):
            break
        own_length = terms.length != before.length and (terms.prorate or period.end is None)
        if terms.status == ACTIVE and (terms.restarts or own_length):
            return terms.day
    return None


def until(timeline: Sequence[Terms], period: Period) -> date | None:
    """Return when a period is over: at its end, or when other terms begin a period of their own."""
    return cut(timeline, period) or period.end


def following(timeline: Sequence[Terms], period: Period) -> Period | None:
    """Return the period after this one, or None when there is none: without end, paused, ended.

    :raise ValueError, OverflowError: when no calendar has its end
    """
    start = until(timeline, period)
    if start is None:
        return None
    terms, before = at(timeline, start), at(timeline, period.start)
    if terms.status != ACTIVE:
        return None
    if (terms.day == start and terms.restarts) or terms.length != before.length:
        return first_period(terms, start)
    return period_of(terms, start, period.anchor)


def end_of(timeline: Iterable[Terms]) -> Terms | None:
    """Return the terms that end the order, or None."""
    return next((terms for terms in timeline if terms.status == ENDED), None)


def periods(timeline: Sequence[Terms], day: date) -> Iterator[Period]:
    """Yield the periods of an order that begin until ``day``; one resumed after its paid period has a new one.

    :raise ValueError, OverflowError: when no calendar has the end of one
    """
    period: Period | None = first_period(timeline[0], timeline[0].day)
    while period and period.start <= day:
        yield period
        over = until(timeline, period)
        period = following(timeline, period)
        if not period and over and at(timeline, over).status == PAUSED:
            resumed = next((terms for terms in timeline if terms.day > over and terms.status != PAUSED), None)
            if resumed and resumed.status == ACTIVE:
                period = first_period(resumed, resumed.day)
