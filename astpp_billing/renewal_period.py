"""Arithmetic of what renews: pure functions, no ORM.

A paid period is half-open, ``[start, end)``, whole local days of the account's zone, in UTC. Months and
years keep the day on which they began: 31 Jan → 28 Feb → 31 Mar (ASTPP knows days only: facts 4.1).
"""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from .billing_cycle import clamped, local_date, midnight

MICRO = Decimal("0.000001")
DAYS_PER_MONTH = Decimal("365.25") / 12
# How many units are a thousand years. Longer periods are taken to have no end, as calendars cannot hold it.
LONGEST = {"day": 365_000, "month": 12_000, "year": 1_000}


def bounded(unit: str, count: int) -> int:
    """Return how many units ASTPP's period has, 0 (without end) when it has too many or fewer than none."""
    return count if 0 <= count <= LONGEST[unit] else 0


def day_start(instant: datetime, tz: str) -> datetime:
    """Return the first instant of the local day of ``instant`` (naive UTC, both)."""
    return midnight(local_date(instant.replace(tzinfo=UTC), tz), tz).replace(tzinfo=None)


def period_end(start: datetime, unit: str, count: int, anchor: int, tz: str) -> datetime:
    """Return the end of the period that starts at ``start`` (naive UTC, both).

    :param unit: "day", "month" or "year"
    :param count: units of a period, 1 or more
    :param anchor: day of the month 1 to 31 that the period keeps to, clamped to the month's end
    """
    return _shift(start, unit, count, anchor, tz)


def _shift(instant: datetime, unit: str, count: int, anchor: int, tz: str) -> datetime:
    """Return the start of the local day so many units later, or earlier when negative; see ``period_end``."""
    day = local_date(instant.replace(tzinfo=UTC), tz)
    if unit == "day":
        moved = day + timedelta(days=count)
    else:
        months = count * (12 if unit == "year" else 1)
        years, month = divmod(day.month - 1 + months, 12)
        moved = clamped(day.year + years, month + 1, anchor)
    return midnight(moved, tz).replace(tzinfo=None)


def days_between(start: datetime, end: datetime, tz: str) -> int:
    """Return the local days from ``start`` to ``end`` (naive UTC)."""
    return (local_date(end.replace(tzinfo=UTC), tz) - local_date(start.replace(tzinfo=UTC), tz)).days


def share_of_period(start: datetime, end: datetime, unit: str, count: int, anchor: int, tz: str) -> Decimal:
    """Return [start, end) as a fraction of the whole period that ends at ``end``, counted in days; at most 1."""
    whole = days_between(_shift(end, unit, -count, anchor, tz), end, tz)
    return min(Decimal(1), Decimal(days_between(start, end, tz)) / whole) if whole else Decimal(1)


def share_left(start: datetime, moment: datetime, end: datetime, tz: str) -> Decimal:
    """Return the fraction of the period [start, end) that is left at ``moment``, counted in days."""
    days = days_between(start, end, tz)
    left = max(0, min(days, days_between(moment, end, tz)))
    return Decimal(left) / days if days else Decimal(0)


def money(amount: Decimal) -> Decimal:
    """Round to the six decimals that the ledger keeps."""
    return amount.quantize(MICRO, ROUND_HALF_UP)


def per_month(amount: float, unit: str, count: int) -> float:
    """Return what an amount per period comes to in an average month."""
    if count < 1:
        return 0.0
    months = {"day": count / float(DAYS_PER_MONTH), "month": count, "year": 12 * count}[unit]
    return amount / months


def is_renewed_twice(
    date: datetime, odoo_from: datetime | None, odoo_until: datetime | None, odoo_renews: bool
) -> bool:
    """Tell whether a charge that ASTPP made at ``date`` is for a period that Odoo has charged or will charge.

    ASTPP charges a renewal two hours before the period begins (ASTPP facts 4.3).

    :param odoo_from: when the first period that Odoo charged began, None when it charged none
    :param odoo_until: when the last period that Odoo charged ends
    :param odoo_renews: whether renewals are Odoo's now
    """
    start = date + timedelta(hours=3)
    if odoo_from is None or start < odoo_from:
        return False
    return odoo_renews or (odoo_until is not None and start < odoo_until)
