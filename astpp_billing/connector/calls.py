"""Calls of cdrs and reseller_cdrs, read by slices of callstart (ASTPP facts 2.2, 9)."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from .call_record import FIELDS, RowError, record_of
from .schema import TABLES

SOURCES = {"cdr": "cdrs", "reseller_cdr": "reseller_cdrs"}
# ASCII's unit separator, and the columns in which somebody may have put one.
SEPARATOR = "\x1f"
FREE_TEXTS = {"uniqueid", "callednum", "callerid", "notes", "pattern", "disposition"}


class Slice(NamedTuple):
    """One hour of a call table: what identifies its content without reading it."""

    start: str
    """YYYY-MM-DD HH:00:00, UTC"""
    rows: int
    seconds: int
    amount: str
    """sum of debit, 6 decimals"""
    checksum: int
    """sum of the CRC of each row's identity: any change of a row changes it"""

    @property
    def end(self):
        return str(datetime.fromisoformat(self.start) + timedelta(hours=1))


def read_slices(database, source, start, end):
    """Return the slices of [start, end) that have rows, by start."""
    statement = f"""
        SELECT CONCAT(LEFT(callstart, 13), ':00:00'), COUNT(*), SUM(billseconds), SUM(debit),
               SUM(CRC32(CONCAT_WS('|', uniqueid, accountid, callstart, billseconds, callednum, debit, cost)))
          FROM `{SOURCES[source]}`
         WHERE callstart >= %s AND callstart < %s
      GROUP BY 1 ORDER BY 1
    """
    return [
        Slice(at, int(rows), int(seconds or 0), amount or "0", int(checksum))
        for at, rows, seconds, amount, checksum in database.rows(statement, (start, end))
    ]


def read_hours(database, since, end, sources=SOURCES):
    """Yield (source, its slices) of call tables, for [since, end); empty tables are read no further."""
    for source in sources:
        first = first_call(database, source, since)
        yield source, read_slices(database, source, first[:13] + ":00:00", end) if first else []


def first_call(database, source, since):
    """Return the start of the first call at or after ``since``, or None."""
    return database.execute(f"SELECT MIN(callstart) FROM `{SOURCES[source]}` WHERE callstart >= %s", (since,))[0][0]


def read_calls(database, source, slices, reject):
    """Yield the calls of some slices as ``(line, CallRecord)``, streamed, in the order of time.

    Each row comes as one text, fields separated: the driver takes twice as long to read columns. A
    statement for each slice finds its rows in the index on callstart: for longer spans the server
    reads the whole table.

    :param slices: list of ``Slice``
    :param reject: called with the reason for a row that cannot become a record
    """
    table = SOURCES[source]
    columns = TABLES[table].split()
    texts = ", ".join(_text(field) if field in columns else "''" for field in FIELDS)
    statement = f"""
        SELECT CONCAT_WS('{SEPARATOR}', {texts})
          FROM `{table}` WHERE callstart >= %s AND callstart < %s ORDER BY callstart
    """
    for slice in slices:
        for line, (row,) in enumerate(database.rows(statement, (slice.start, slice.end))):
            try:
                yield line, record_of(source, UTC, *row.split(SEPARATOR))
            except RowError as error:
                reject(f"{table}: {error} ({row.replace(SEPARATOR, ' | ')})")


def _text(field):
    """Return the expression of a column's text, without separators."""
    text = f"COALESCE(`{field}`, '{'0' if field == 'accountid' else ''}')"
    return f"REPLACE({text}, '{SEPARATOR}', ' ')" if field in FREE_TEXTS else text


def read_days(database, source, start, end):
    """Yield (day, accounts.id, calls, seconds, amount) of [start, end) as texts, for reconciliation."""
    # One text a row, as in read_calls; outside of the groups, for MySQL's ONLY_FULL_GROUP_BY.
    statement = f"""
        SELECT CONCAT_WS('{SEPARATOR}', day, account, calls, seconds, amount)
          FROM (SELECT DATE(callstart) AS day, COALESCE(accountid, 0) AS account, COUNT(*) AS calls,
                       SUM(billseconds) AS seconds, SUM(debit) AS amount
                  FROM `{SOURCES[source]}`
                 WHERE callstart >= %s AND callstart < %s
              GROUP BY DATE(callstart), COALESCE(accountid, 0)) AS days
    """
    for (row,) in database.rows(statement, (start, end)):
        yield row.split(SEPARATOR)
