"""Rows of ASTPP's tables and what their columns say, read by type."""

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation

from .call_record import RowError

_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


class Row(dict):
    """A row: {column: text or None}."""

    def number(self, column):
        """Return an int; ASTPP's '' and NULL are 0.

        :raise RowError: when the column has something else
        """
        try:
            return int(self[column] or 0)
        except ValueError:
            raise RowError(f"{column}: {self[column]!r} is not a number") from None

    def amount(self, column):
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

    def yes(self, column):
        """Read an inverted flag: 0 = yes (ASTPP facts 1.1)."""
        return self.number(column) == 0

    def date(self, column):
        """Return a moment's text, or None for ASTPP's two ways to say "never".

        :raise RowError: when the column has something else, such as the 31st of February
        """
        text = self[column]
        if never(text):
            return None
        if moment := datetime_or_none(text):
            return moment
        raise RowError(f"{column}: {text!r} is not a date")


def never(text):
    """Tell whether a date says "never": empty, zero or the year 1000."""
    return not text or text < "1990"


def datetime_or_none(text):
    """Return a datetime's text, or None for "never" and for what is no date."""
    if never(text) or not _DATE.fullmatch(text[:19]):
        return None
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return None
    return text[:19]


def records(rows, make, reject, name="ID {id}", key="id"):
    """Yield what ``make`` makes of rows, but for those that it refuses.

    :param rows: iterable of ``Row``
    :param make: function of a row that may raise ``RowError``
    :param reject: called with the reason and the row's key
    :param name: which row it is, with columns in braces
    :param key: column that identifies it
    """
    for row in rows:
        try:
            record = make(row)
        except RowError as error:
            reject(f"{name.format(**row)}: {error}", int(row[key]))
        else:
            yield record
