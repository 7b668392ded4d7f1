"""Arithmetic of billing periods: pure functions, no ORM.

A period is half-open, ``[start, end)``, between two boundaries. A boundary is local midnight
of the account's IANA zone at the start of a billing day, expressed in UTC. The next boundary
depends on the last one only, so periods neither overlap nor leave a gap, whatever is changed
in between (ASTPP facts 7.2, weaknesses 20 to 23).
"""

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import NamedTuple
from zoneinfo import ZoneInfo

# A change of zone may put a boundary a few hours after the last one. Such a short rest joins the period that follows
# it. The shortest day of any zone is longer than this.
SHORTEST_PERIOD = timedelta(hours=12)


class Cycle(NamedTuple):
    """How an account is billed.

    :param unit: "day", "week", "month" or "year"
    :param interval: units between two boundaries, 1 or more
    :param day: day of the month 1 to 31, clamped to the month's end (unit month, year)
    :param weekday: 0 (Monday) to 6 (unit week)
    :param month: 1 to 12 (unit year)
    :param tz: IANA zone name
    """

    unit: str = "month"
    interval: int = 1
    day: int = 1
    weekday: int = 0
    month: int = 1
    tz: str = "UTC"


def midnight(day: date, tz: str) -> datetime:
    """Return the first instant of a local day, in UTC and aware.

    Where the clock skips midnight, this is the instant at which it jumps; where midnight comes twice, the first one.
    """
    return datetime.combine(day, time(), ZoneInfo(tz)).astimezone(UTC)


def local_date(instant: datetime, tz: str) -> date:
    """Return the local date at an aware instant."""
    return instant.astimezone(ZoneInfo(tz)).date()


def clamped(year: int, month: int, day: int) -> date:
    """Return that day of the month, or the month's last day when it has no such day."""
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def next_boundary(after: datetime, cycle: Cycle) -> datetime:
    """Return the end of the period that starts at ``after``.

    :param after: aware datetime, the end of the period before
    :return: aware datetime in UTC, the first boundary at least ``SHORTEST_PERIOD`` later.
        From an instant that is no boundary itself, the interval counts as one unit: a short first period leads to
        the next billing day.
    """
    start = local_date(after, cycle.tz)
    on_boundary = midnight(start, cycle.tz) == after and _is_billing_day(start, cycle)
    step = cycle.interval if on_boundary else 1
    for day in _billing_days(start, cycle, step):
        end = midnight(day, cycle.tz)
        if end - after >= SHORTEST_PERIOD:
            return end
    raise AssertionError("billing days never end")


def boundary_at_or_before(instant: datetime, cycle: Cycle) -> datetime:
    """Return the last boundary that is not after ``instant`` (both aware, in UTC).

    It is where the first period of a new account starts. The interval counts as one unit.
    """
    day = local_date(instant, cycle.tz)
    while not _is_billing_day(day, cycle):
        day -= timedelta(days=1)
    return midnight(day, cycle.tz)


def _is_billing_day(day: date, cycle: Cycle) -> bool:
    match cycle.unit:
        case "day":
            return True
        case "week":
            return day.weekday() == cycle.weekday
        case "month":
            return day == clamped(day.year, day.month, cycle.day)
        case "year":
            return day == clamped(day.year, cycle.month, cycle.day)
    raise ValueError(f"unknown unit {cycle.unit!r}")


def _billing_days(start: date, cycle: Cycle, step: int) -> Iterator[date]:
    """Yield billing days in order, ``step`` units apart, from ``start``'s own unit on."""
    match cycle.unit:
        case "day":
            yield from (start + timedelta(days=step * n) for n in count())
        case "week":
            first = start + timedelta(days=(cycle.weekday - start.weekday()) % 7)
            yield from (first + timedelta(weeks=step * n) for n in count())
        case "month":
            for n in count():
                years, month = divmod(start.month - 1 + step * n, 12)
                yield clamped(start.year + years, month + 1, cycle.day)
        case "year":
            for n in count():
                yield clamped(start.year + step * n, cycle.month, cycle.day)
