"""Rows of ASTPP's tables, whose columns are read by type."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from .call_record import RowError
from .database import Value

Record = TypeVar("Record")
# Takes the reason why a row cannot become a record, and the row's key.
Reject = Callable[[str, int], object]

_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


class Row(dict[str, Value]):
    """A row: {column: text or None}."""

    def number(self, column: str) -> int:
        """Return an int; ASTPP's '' and NULL are 0.

        :raise RowError: when the column has something else
        """
        try:
            return int(self[column] or 0)
        except ValueError:
            raise RowError(f"{column}: {self[column]!r} is not a number") from None

    def amount(self, column: str) -> Decimal:
        """Return a Decimal; ASTPP's '' and NULL are 0.

        :raise RowError: when the column has something else
        """
        try:
            amount = Decimal(self[column] or 0)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite():
            raise RowError(f"{column}: {self[column]!r} is not an amount")
        return amount

    def yes(self, column: str) -> bool:
        """Read an inverted flag: 0 = yes (ASTPP facts 1.1)."""
        return self.number(column) == 0

    def date(self, column: str) -> str | None:
        """Return a moment's text, or None for "never".

        :raise RowError: when the column has something else, such as the 31st of February
        """
        text = self[column]
        if never(text):
            return None
        if moment := datetime_or_none(text):
            return moment
        raise RowError(f"{column}: {text!r} is not a date")


def never(text: str | None) -> bool:
    """Tell whether a date says "never": ASTPP has it empty, zero, or in the year 1000."""
    return not text or text < "1990"


def datetime_or_none(text: str | None) -> str | None:
    """Return a moment's text, or None for "never" and for what is no date."""
    if not text or never(text) or not _DATE.fullmatch(text[:19]):
        return None
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return None
    return text[:19]


def records(
    rows: Iterable[Row], make: Callable[[Row], Record], reject: Reject, name: str = "ID {id}", key: str = "id"
) -> Iterator[Record]:
    """Yield the records that ``make`` makes of rows, and reject rows that it refuses with ``RowError``.

    :param name: how the reason names the row, with columns in braces
    :param key: column that identifies the row
    """
    for row in rows:
        try:
            record = make(row)
        except RowError as error:
            reject(f"{name.format(**row)}: {error}", int(row[key]))
        else:
            yield record
