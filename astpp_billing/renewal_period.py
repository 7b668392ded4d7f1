"""Arithmetic of what renews: pure functions, no ORM.

A paid period is half-open, ``[start, end)``, and consists of whole local days of the account's zone. Months and years
keep the day on which they began: 31 Jan → 28 Feb → 31 Mar (ASTPP knows days only: facts 4.1). What is owed for a
period is in ``service_charge``.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from .billing_cycle import clamped, local_date, midnight

MICRO = Decimal("0.000001")
DAYS_PER_MONTH = Decimal("365.25") / 12
# How many units are a thousand years. Longer periods are taken to have no end, as calendars cannot hold it.
LONGEST = {"day": 365_000, "month": 12_000, "year": 1_000}


def bounded(unit: str, count: int) -> int:
    """Return how many units ASTPP's period has, 0 (without end) when it has too many or fewer than none."""
    return count if 0 <= count <= LONGEST[unit] else 0


def day_of(instant: datetime, tz: str) -> date:
    """Return the local date at ``instant`` (naive UTC)."""
    return local_date(instant.replace(tzinfo=UTC), tz)


def first_instant(day: date, tz: str) -> datetime:
    """Return the first instant of a local day, in naive UTC."""
    return midnight(day, tz).replace(tzinfo=None)


def shifted(day: date, unit: str, count: int, anchor: int) -> date:
    """Return the day so many units later, or earlier when negative.

    :param unit: "day", "month" or "year"
    :param anchor: day of the month 1 to 31 that months and years keep to, clamped to the month's end
    :raise ValueError, OverflowError: when no calendar has that day
    """
    if unit == "day":
        return day + timedelta(days=count)
    years, month = divmod(day.month - 1 + count * (12 if unit == "year" else 1), 12)
    return clamped(day.year + years, month + 1, anchor)


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
