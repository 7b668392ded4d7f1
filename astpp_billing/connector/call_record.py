"""ASTPP's call records as typed records: the one place that knows what ASTPP means by a call's values.

Rows of its database, of CSV files and of the API all become a ``CallRecord`` here. No ORM.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from ..charge_types import CALL_WORDS
from .call_values import MAX_SECONDS, RowError, amount_of, billed_seconds, called_number, clean, is_number, moment_of

# billseconds is a smallint: longer calls are stored as this (ASTPP facts 2.4).
CLAMPED_SECONDS = 32767
ZERO = Decimal(0)
# From this amount on ASTPP writes a thousands comma, and MySQL stores only what stands before it: 1,234.50 becomes 1
# (ASTPP facts 2.4).
COMMA_AMOUNT = 1000

_EPOCH = datetime(1970, 1, 1)
_UNIQUEID_DID = re.compile(r"(DID@IP|DIRECT-IP)_")
# ASTPP's numbers have up to 20 characters. There is a limit because the ledger indexes the numbers of unknown accounts.
MAX_NUMBER = 100
# No column of ASTPP's call tables is longer.
MAX_TEXT = 255
# How far in the future a call may start: clocks and zones may be wrong.
MAX_AHEAD = timedelta(days=1)


class CallRecord(NamedTuple):
    """One charged party's side of one call.

    Times are UTC, amounts in the server's base currency, positive = charge.
    """

    source: str
    """cdr, reseller_cdr, import or api"""
    row_key: str
    """its start, and a hash of what identifies the row; rows with the same key are twins"""
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


# ASTPP's columns that make a record, in the order in which ``record_of`` takes them.
FIELDS: tuple[str, ...] = (
    *("uniqueid", "accountid", "account_number", "callstart", "billseconds", "debit", "cost", "calltype"),
    *("call_direction", "callednum", "callerid", "notes", "pattern", "disposition", "rate_cost"),
    "package_id",
)


def call_record(row: Mapping[str, str | None], source: str, tz: tzinfo = UTC) -> CallRecord:
    """Make a ``CallRecord`` of a row with ASTPP's column names.

    :param row: {column: text}; ``callstart``, ``billseconds``, ``debit`` and one of
        ``accountid`` and ``account_number`` are needed
    :param source: cdr, reseller_cdr, import or api
    :param tz: zone of ``callstart`` (ASTPP's tables are UTC, its reports are not)
    :raise RowError: when a value is missing or cannot be read
    """
    return record_of(source, tz, *map(row.get, FIELDS))


def checked_record(row: Mapping[str, str | None], source: str, tz: tzinfo = UTC) -> CallRecord:
    """Make a ``CallRecord`` of a row from a file or the API, which is checked for what ASTPP's tables cannot hold.

    :raise RowError: as ``call_record``; also for values of more than 255 characters, and calls more than a day ahead
    """
    for name in FIELDS:
        if (value := row.get(name)) and len(value) > MAX_TEXT:
            raise RowError(f"{name}: longer than {MAX_TEXT} characters")
    record = call_record(row, source, tz)
    if record.date > datetime.now(UTC).replace(tzinfo=None) + MAX_AHEAD:
        raise RowError(f"callstart: {row['callstart']!r} is more than a day ahead")
    return record


def record_of(
    source: str, tz: tzinfo, uniqueid: str | None, accountid: str | None, number: str | None, callstart: str | None,
    billseconds: str | None, debit: str | None, cost: str | None, calltype: str | None, call_direction: str | None,
    callednum: str | None, callerid: str | None, notes: str | None, pattern: str | None, disposition: str | None,
    rate_cost: str | None, package_id: str | None = None,
) -> CallRecord:  # fmt: skip
    """Make a ``CallRecord`` of values in the order of ``FIELDS``; see ``call_record``.

    Millions of rows pass through here, so values that repeat from row to row are parsed once and cached.
    """
    uniqueid = clean(uniqueid)
    astpp_id, number = _account(accountid, number)
    date = moment_of(callstart, tz)
    duration = billed_seconds(billseconds)
    rated_amount, debit_text = _debit(debit)
    cost_amount, cost_text = _cost(cost)
    charge_type, direction = _kind(calltype or "", call_direction or "")
    if charge_type == "unknown" and not (calltype or "").strip() and uniqueid and _UNIQUEID_DID.search(uniqueid):
        charge_type, direction = "did", "inbound"
    callee = called_number(callednum)
    is_unknown = charge_type == "unknown"
    exception = "blank_type" if is_unknown else suspicion(charge_type, duration, rated_amount, rate_cost)
    # What identifies the row (ASTPP facts 2.3), amounts without trailing zeros. The key begins with the moment, so that
    # new keys are neighbours in the index.
    since = date - _EPOCH
    moment = since.days * 86400 + since.seconds
    identity = (
        f"{uniqueid}\x1f{astpp_id}\x1f{number}\x1f{duration}\x1f{callee}\x1f{direction}\x1f{charge_type}"
        f"\x1f{debit_text}\x1f{cost_text}"
    )
    # The same as CallRecord(…), in less than half the time.
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
            rated_amount,
            ZERO if charge_type == "free" else rated_amount,
            cost_amount,
            exception,
            # On other calls it only says which package the account had, not that it paid for them (ASTPP facts 2.4).
            _package(package_id) if charge_type == "free" else None,
        ),
    )


# For columns in which a few texts come again and again.
_clean_often = lru_cache(8192)(clean)


@lru_cache(8192)
def _prefix(pattern: str | None) -> str | None:
    """Return a rate code without the marks of its regular expression: ^44.* is 44."""
    return (clean(pattern) or "").removeprefix("^").removesuffix(".*") or None


def suspicion(charge_type: str, duration: int, debit: Decimal, rate_per_minute: str | None) -> str | None:
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
def _comma_seconds(rate_per_minute: str) -> int:
    """Return after how many seconds a call at this price costs so much that ASTPP writes a comma."""
    rate = amount_of("rate_cost", rate_per_minute)[0]
    return int((COMMA_AMOUNT * 60 / rate).to_integral_value(ROUND_CEILING)) if rate > 0 else MAX_SECONDS + 1


@lru_cache(65536)
def _account(astpp_id: str | None, number: str | None) -> tuple[int | None, str | None]:
    """Return a row's account: its ID in ASTPP, or its number where the row names one."""
    number = clean(number)
    if number:
        # The report writes "First Last (1234567890)".
        in_brackets = re.search(r"\(([^()]+)\)$", number)
        number = in_brackets[1].strip() if in_brackets else number
        if len(number) > MAX_NUMBER:
            raise RowError(f"account: {number[:20]!r}… is too long for an account's number")
        return None, number
    if astpp_id is None:
        # ASTPP's column is NULL, so the call is nobody's. It is kept as a call of an unknown account.
        return 0, None
    text = astpp_id.strip()
    if not text or text == "NULL":
        raise RowError("accountid: empty, so nobody can be billed")
    if not is_number(text) or int(text) > MAX_SECONDS:
        raise RowError(f"accountid: {text!r} is not an account's ID")
    return int(text), None


@lru_cache(65536)
def _debit(value: str | None) -> tuple[Decimal, str]:
    return amount_of("debit", value)


@lru_cache(65536)
def _cost(value: str | None) -> tuple[Decimal, str]:
    return amount_of("cost", value or "0")


@lru_cache(8192)
def _package(value: str | None) -> int | None:
    text = (value or "").strip()
    return int(text) or None if is_number(text) and len(text) < 10 else None


@lru_cache(1024)
def _kind(calltype: str, direction: str) -> tuple[str, str]:
    """Return the charge type, "unknown" for a type that ASTPP does not have or left blank, and the direction."""
    direction = direction.strip().lower()
    text = calltype.strip().upper().replace(" ", "")
    charge_type = CALL_WORDS.get(text)
    if direction not in ("", "outbound", "inbound"):
        raise RowError(f"call_direction: {direction!r} is neither outbound nor inbound")
    if charge_type:
        return charge_type, direction or ("inbound" if charge_type == "did" else "outbound")
    # ASTPP's enum lacks the DID types DID@IP and DIRECT-IP, so MySQL stores '' for them (ASTPP facts 2.4).
    is_did = not text and direction == "inbound"
    return ("did" if is_did else "unknown"), direction or "outbound"
