"""ASTPP's call records as typed records: one place that knows ASTPP's habits.

No ORM in this package: database rows, CSV and API calls all become ``CallRecord`` here.
"""

import html
import re
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

# ASTPP's calltype enum; '' is what non-strict MySQL stores for DID@IP and DIRECT-IP calls
# (ASTPP facts 2.4).
CHARGE_TYPES = {
    "STANDARD": "standard",
    "DID": "did",
    "FREE": "free",
    "CALLINGCARD": "calling_card",
    "FAX": "fax",
    "LOCAL": "local",
    "BROADCAST": "broadcast",
}
# billseconds is a smallint: longer calls are stored as this (ASTPP facts 2.4).
CLAMPED_SECONDS = 32767
MAX_SECONDS = 2**31 - 1
MAX_AMOUNT = Decimal(10) ** 13
MAX_DECIMALS = 12
ZERO = Decimal(0)
# From here on ASTPP writes a thousands comma and MySQL stores what stands before it
# (ASTPP facts 2.4).
COMMA_AMOUNT = 1000

_EPOCH = datetime(1970, 1, 1)
_UNIQUEID_DID = re.compile(r"(DID@IP|DIRECT-IP)_")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_CLOCK = re.compile(r"(?:(\d{1,5}):)?(\d{1,6}):([0-5]\d)", re.ASCII)


class RowError(ValueError):
    """A row that cannot become a record; its text says which column and why."""


class CallRecord(NamedTuple):
    """One charged party's side of one call.

    Times are UTC, amounts in the server's base currency, positive = charge.
    """

    source: str
    """cdr, reseller_cdr, import or api"""
    row_key: str
    """start and hash of what identifies the row; equal rows are twins"""
    account_astpp_id: int | None
    """accounts.id of the charged account; None when the row names it by number"""
    account_number: str | None
    date: datetime
    """callstart, UTC, naive"""
    charge_type: str
    direction: str
    """outbound or inbound"""
    uniqueid: str | None
    caller: str | None
    callee: str | None
    destination: str | None
    pattern: str | None
    disposition: str | None
    duration: int
    """billed seconds"""
    rated_amount: Decimal
    """debit, as ASTPP rated it"""
    amount: Decimal
    """what is billed: 0 for FREE calls"""
    cost: Decimal
    exception: str | None
    """blank_type, clamped, suspect_rating or None"""
    package_id: int | None
    """orders.id of the package that a FREE call used, None when unknown"""


# What a record is made of, by ASTPP's column names, in the order of ``record_of``.
FIELDS = (
    *("uniqueid", "accountid", "account_number", "callstart", "billseconds", "debit", "cost", "calltype"),
    *("call_direction", "callednum", "callerid", "notes", "pattern", "disposition", "rate_cost"),
    "package_id",
)


def call_record(row, source, tz=UTC):
    """Make a ``CallRecord`` of a row with ASTPP's column names.

    :param row: dict of strings; ``callstart``, ``billseconds``, ``debit`` and one of
        ``accountid`` and ``account_number`` are needed
    :param source: cdr, reseller_cdr, import or api
    :param tz: zone of ``callstart`` (ASTPP's tables are UTC, its reports are not)
    :raise RowError: when a value is missing or cannot be read
    """
    return record_of(source, tz, *map(row.get, FIELDS))


def record_of(
    source, tz, uniqueid, accountid, number, callstart, billseconds, debit, cost, calltype, call_direction, callednum,
    callerid, notes, pattern, disposition, rate_cost, package_id=None,
):  # fmt: skip
    """Make a ``CallRecord`` of values in the order of ``FIELDS``; see ``call_record``.

    Millions of rows pass here: what repeats from row to row is parsed once and remembered.
    """
    uniqueid = clean(uniqueid)
    astpp_id, number = _account(accountid, number)
    date = _date(callstart, tz)
    duration = _seconds(billseconds)
    debit, debit_text = _debit(debit)
    cost, cost_text = _cost(cost)
    charge_type, direction, odd = _kind(calltype or "", call_direction or "")
    if odd and uniqueid and _UNIQUEID_DID.search(uniqueid):
        charge_type, direction = "did", "inbound"
    callee = clean(callednum)
    exception = "blank_type" if odd else suspicion(charge_type, duration, debit, rate_cost)
    # What identifies the row (ASTPP facts 2.3), amounts without trailing zeros. The moment stands in
    # front, so that new keys are neighbours in the index.
    since = date - _EPOCH
    moment = since.days * 86400 + since.seconds
    identity = (
        f"{uniqueid}\x1f{astpp_id}\x1f{number}\x1f{duration}\x1f{callee}\x1f{direction}\x1f{charge_type}"
        f"\x1f{debit_text}\x1f{cost_text}"
    )
    # As CallRecord(…), in less than half the time.
    return tuple.__new__(
        CallRecord,
        (
            source,
            f"{moment:08x}{blake2b(identity.encode(), digest_size=12).hexdigest()}",
            astpp_id,
            number,
            date,
            charge_type,
            direction,
            uniqueid,
            clean(callerid),
            callee,
            _clean_often(notes),
            _prefix(pattern),
            _clean_often(disposition),
            duration,
            debit,
            ZERO if charge_type == "free" else debit,
            cost,
            exception,
            # Other calls carry the channel's package too, whether it paid for them or not (ASTPP facts 2.4).
            _package(package_id) if charge_type == "free" else None,
        ),
    )


def clean(value):
    """Return text without HTML entities, control characters and outer blanks, or None."""
    if not value:
        return None
    if "&" in value:
        value = html.unescape(value)
    if not value.isprintable():
        value = _CONTROL.sub(" ", value)
    return value.strip() or None


# Few different texts come again and again in a call table.
_clean_often = lru_cache(8192)(clean)


@lru_cache(8192)
def _prefix(pattern):
    """Return a rate code without the marks of its regular expression: ^44.* is 44."""
    return (clean(pattern) or "").removeprefix("^").removesuffix(".*") or None


def suspicion(charge_type, duration, debit, rate_per_minute):
    """Return the exception of a call whose rating or duration cannot be right, or None.

    :param duration: billed seconds
    :param rate_per_minute: text of rate_cost, None when unknown
    """
    if duration >= CLAMPED_SECONDS:
        return "clamped"
    if debit < 0 or (not duration and debit > 0):
        return "suspect_rating"
    if not rate_per_minute or charge_type == "free" or duration < _comma_seconds(rate_per_minute):
        return None
    return "suspect_rating" if debit < COMMA_AMOUNT else None


@lru_cache(8192)
def _comma_seconds(rate_per_minute):
    """Return the whole seconds from which a call at this price costs as much as gets a comma."""
    rate = _amount("rate_cost", rate_per_minute)[0]
    return int((COMMA_AMOUNT * 60 / rate).to_integral_value(ROUND_CEILING)) if rate > 0 else MAX_SECONDS + 1


@lru_cache(65536)
def _account(astpp_id, number):
    number = clean(number)
    if number:
        # The report writes "First Last (1234567890)".
        in_brackets = re.search(r"\(([^()]+)\)$", number)
        return None, in_brackets[1].strip() if in_brackets else number
    if astpp_id is None:
        # A call of nobody: ASTPP's column is NULL. It is kept, as one of an unknown account.
        return 0, None
    text = astpp_id.strip()
    if not text or text == "NULL":
        raise RowError("accountid: empty, so nobody can be billed")
    if not _is_number(text) or int(text) > MAX_SECONDS:
        raise RowError(f"accountid: {text!r} is not an account's ID")
    return int(text), None


def _date(value, tz):
    text = (value or "").strip()
    if not text:
        raise RowError("callstart: empty")
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise RowError(f"callstart: {text!r} is not a date and time such as 2026-01-31 23:59:59") from None
    if len(text) < len("2026-01-31 23:59"):
        raise RowError(f"callstart: {text!r} has no time of day")
    if not 2000 <= date.year < 2100:
        raise RowError(f"callstart: {text!r} is no date of a call")
    if date.tzinfo is None and tz is UTC:
        return date.replace(microsecond=0) if date.microsecond else date
    return (date if date.tzinfo else date.replace(tzinfo=tz)).astimezone(UTC).replace(tzinfo=None, microsecond=0)


@lru_cache(4096)
def _seconds(value):
    text = (value or "").strip()
    if _is_number(text):
        seconds = int(text)
    elif clock := _CLOCK.fullmatch(text):
        hours, minutes, rest = (int(part or 0) for part in clock.groups())
        seconds = hours * 3600 + minutes * 60 + rest
    else:
        raise RowError(
            f"billseconds: {text!r} is neither seconds nor minutes:seconds" if text else "billseconds: empty"
        )
    if seconds > MAX_SECONDS:
        raise RowError(f"billseconds: {text!r} is too long for a call")
    return seconds


@lru_cache(65536)
def _debit(value):
    return _amount("debit", value)


@lru_cache(65536)
def _cost(value):
    return _amount("cost", value or "0")


def _amount(column, value):
    """Return an amount and its canonical text."""
    text = (value or "").strip()
    if not text:
        raise RowError(f"{column}: empty")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise RowError(f"{column}: {text!r} is not an amount such as 1234.56") from None
    if not amount.is_finite() or abs(amount) >= MAX_AMOUNT or amount.as_tuple().exponent < -MAX_DECIMALS:
        raise RowError(f"{column}: {text!r} is not an amount of money")
    return amount, _canonical(amount)


def _canonical(amount):
    """Write an amount without exponent and trailing zeros, so that 0.1 and 0.100 are the same."""
    text = str(amount)
    if "E" in text:
        text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(8192)
def _package(value):
    text = (value or "").strip()
    return int(text) or None if _is_number(text) and len(text) < 10 else None


def _is_number(text):
    return text.isascii() and text.isdecimal() and len(text) < 12


@lru_cache(1024)
def _kind(calltype, direction):
    """Return charge type, direction, and whether the type is blank or unknown."""
    direction = direction.strip().lower()
    text = calltype.strip().upper().replace(" ", "")
    charge_type = CHARGE_TYPES.get(text)
    if direction not in ("", "outbound", "inbound"):
        raise RowError(f"call_direction: {direction!r} is neither outbound nor inbound")
    if charge_type:
        return charge_type, direction or ("inbound" if charge_type == "did" else "outbound"), False
    # Non-strict MySQL stores '' for the DID types that its enum lacks.
    is_did = not text and direction == "inbound"
    return ("did" if is_did else "unknown"), direction or "outbound", True
