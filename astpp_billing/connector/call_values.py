"""A call's values as text: reading what ASTPP, people and spreadsheets write, and refusing what cannot be right."""

import html
import re
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache

MAX_SECONDS = 2**31 - 1
MAX_AMOUNT = Decimal(10) ** 13
MAX_DECIMALS = 12
# Decimal accepts 0E+999999, which would be written out with a million zeros.
MAX_EXPONENT = 13

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CLOCK = re.compile(r"(\d{1,6}):([0-5]\d)", re.ASCII)
_LONG_CLOCK = re.compile(r"(\d{1,5}):([0-5]?\d):([0-5]\d)", re.ASCII)
# How a spreadsheet shows a long number: 4.42012E+11.
_SHORTENED = re.compile(r"\d[.,]\d+[eE]\+\d+")


class RowError(ValueError):
    """A row that cannot become a record; the text names the column and the reason."""


def clean(value: str | None) -> str | None:
    """Return text without HTML entities, control characters and outer blanks, or None when nothing is left.

    :raise RowError: when it holds half a character, which cannot be encoded
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


def called_number(value: str | None) -> str | None:
    """Return the number called, or None.

    :raise RowError: when a spreadsheet shortened it to 4.42012E+11
    """
    text = clean(value)
    if text and "+" in text and _SHORTENED.fullmatch(text):
        raise RowError(
            f"callednum: a spreadsheet shortened the number to {text!r}. Import the file as it was downloaded"
        )
    return text


def moment_of(value: str | None, tz: tzinfo) -> datetime:
    """Return a time as naive UTC, in whole seconds.

    :param tz: the zone of a text without an offset of its own
    :raise RowError: when it is no time, or one that does not exist or comes twice because clocks are changed
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


def _in_zone(date: datetime, tz: tzinfo, text: str) -> datetime:
    """Put a time into its zone; refuse one that comes twice, or not at all, because clocks are changed."""
    local = date.replace(tzinfo=tz)
    if local.utcoffset() == local.replace(fold=1).utcoffset():
        return local
    if local.astimezone(UTC).astimezone(tz).replace(tzinfo=None) == date:
        reason = "comes twice in its time zone, as clocks are put back: add the offset, as in +01:00"
    else:
        reason = "does not exist in its time zone, as clocks are put forward: is the file in a fixed offset?"
    raise RowError(f"callstart: {text!r} {reason}")


@lru_cache(4096)
def billed_seconds(value: str | None) -> int:
    """Return the seconds that are billed.

    Read are plain seconds, minutes:seconds (as ASTPP's reports have it, with any number of minutes) and
    hours:minutes:seconds. The latter is refused when it ends in :00, because a spreadsheet turns ASTPP's 1:05 into
    1:05:00.

    :raise RowError: when the text is none of these, or too long for a call
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


def amount_of(column: str, value: str | None) -> tuple[Decimal, str]:
    """Return an amount and its canonical text.

    :raise RowError: when it is no amount of money
    """
    text = (value or "").strip()
    if not text:
        raise RowError(f"{column}: empty")
    try:
        # Decimal would also accept 1_000 and digits of other scripts.
        amount = Decimal(text if text.isascii() and "_" not in text else "?")
    except InvalidOperation:
        raise RowError(f"{column}: {text!r} is not an amount such as 1234.56") from None
    exponent = amount.as_tuple().exponent
    # Infinity and NaN have a letter for an exponent.
    if isinstance(exponent, str) or abs(amount) >= MAX_AMOUNT or not -MAX_DECIMALS <= exponent <= MAX_EXPONENT:
        raise RowError(f"{column}: {text!r} is not an amount of money")
    return amount, _canonical(amount)


def _canonical(amount: Decimal) -> str:
    """Write an amount without exponent and trailing zeros, so that 0.1 and 0.100 are the same."""
    text = str(amount)
    if "E" in text:
        text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def is_number(text: str) -> bool:
    """Tell whether a text is a whole number of up to 11 ASCII digits."""
    return text.isascii() and text.isdecimal() and len(text) < 12
