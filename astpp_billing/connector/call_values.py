"""Values of a call as texts: what ASTPP, people and spreadsheets write, and what of it cannot be right."""

import html
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

MAX_SECONDS = 2**31 - 1
MAX_AMOUNT = Decimal(10) ** 13
MAX_DECIMALS = 12
# A zero may have any exponent, and would be written with as many digits.
MAX_EXPONENT = 13

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CLOCK = re.compile(r"(\d{1,6}):([0-5]\d)", re.ASCII)
_LONG_CLOCK = re.compile(r"(\d{1,5}):([0-5]?\d):([0-5]\d)", re.ASCII)
# What a spreadsheet makes of a long number.
_SHORTENED = re.compile(r"\d[.,]\d+[eE]\+\d+")


class RowError(ValueError):
    """A row that cannot become a record; its text says which column and why."""


def clean(value):
    """Return text without HTML entities, control characters and outer blanks, or None.

    :raise RowError: when it has what no encoding can write
    """
    if not value:
        return None
    if "&" in value:
        value = html.unescape(value)
    if not value.isprintable():
        if _SURROGATE.search(value):
            raise RowError("a text has half a character (a lone surrogate)")
        value = _CONTROL.sub(" ", value)
    return value.strip() or None


def called_number(value):
    """Return the number called, or None.

    :raise RowError: when a spreadsheet wrote it as 4.42012E+11
    """
    text = clean(value)
    if text and "+" in text and _SHORTENED.fullmatch(text):
        raise RowError(
            f"callednum: a spreadsheet shortened the number to {text!r}. Import the file as it was downloaded"
        )
    return text


def moment_of(value, tz):
    """Return a time as naive UTC, in whole seconds.

    :param tz: its zone, unless it names its own
    :raise RowError: when it is none, or one of the hour that clocks are put back or forward by
    """
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
    if date.tzinfo is None:
        date = _in_zone(date, tz, text)
    return date.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def _in_zone(date, tz, text):
    """Say in which zone a time is; the hour around a change of clocks may be another one, or none."""
    local = date.replace(tzinfo=tz)
    if local.utcoffset() == local.replace(fold=1).utcoffset():
        return local
    if local.astimezone(UTC).astimezone(tz).replace(tzinfo=None) == date:
        reason = "comes twice in its time zone, as clocks are put back: add the offset, as in +01:00"
    else:
        reason = "does not exist in its time zone, as clocks are put forward: is the file in a fixed offset?"
    raise RowError(f"callstart: {text!r} {reason}")


@lru_cache(4096)
def billed_seconds(value):
    """Return the seconds that are billed.

    Plain seconds; minutes:seconds, as ASTPP's reports write them, however many minutes it was; hours:minutes:seconds,
    unless the seconds are 0: a spreadsheet writes ASTPP's 1:05 as 1:05:00.
    """
    text = (value or "").strip()
    if is_number(text):
        seconds = int(text)
    elif clock := _CLOCK.fullmatch(text):
        seconds = int(clock[1]) * 60 + int(clock[2])
    elif clock := _LONG_CLOCK.fullmatch(text):
        hours, minutes, rest = map(int, clock.groups())
        if not rest and (hours or minutes):
            raise RowError(
                f"billseconds: {text!r} may be {hours}:{minutes:02d} minutes that a spreadsheet took for hours. "
                "Import the file as it was downloaded, or write seconds"
            )
        seconds = hours * 3600 + minutes * 60 + rest
    else:
        raise RowError(
            f"billseconds: {text!r} is neither seconds nor minutes:seconds" if text else "billseconds: empty"
        )
    if seconds > MAX_SECONDS:
        raise RowError(f"billseconds: {text!r} is too long for a call")
    return seconds


def amount_of(column, value):
    """Return an amount and its canonical text."""
    text = (value or "").strip()
    if not text:
        raise RowError(f"{column}: empty")
    try:
        # Python also reads 1_000 and other scripts' digits.
        amount = Decimal(text if text.isascii() and "_" not in text else "?")
    except InvalidOperation:
        raise RowError(f"{column}: {text!r} is not an amount such as 1234.56") from None
    if (
        not amount.is_finite()
        or abs(amount) >= MAX_AMOUNT
        or not -MAX_DECIMALS <= amount.as_tuple().exponent <= MAX_EXPONENT
    ):
        raise RowError(f"{column}: {text!r} is not an amount of money")
    return amount, _canonical(amount)


def _canonical(amount):
    """Write an amount without exponent and trailing zeros, so that 0.1 and 0.100 are the same."""
    text = str(amount)
    if "E" in text:
        text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def is_number(text):
    """Tell whether a text is a whole number of up to 11 ASCII digits."""
    return text.isascii() and text.isdecimal() and len(text) < 12
