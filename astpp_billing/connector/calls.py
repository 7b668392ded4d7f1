"""Calls of cdrs and reseller_cdrs, read by slices of callstart (ASTPP facts 2.2, 9)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from .call_record import FIELDS, CallRecord, RowError, record_of
from .database import Database
from .schema import TABLES

SOURCES = {"cdr": "cdrs", "reseller_cdr": "reseller_cdrs"}
# ASCII's unit separator, and the columns whose text could contain it.
SEPARATOR = "\x1f"
FREE_TEXTS = {"uniqueid", "callednum", "callerid", "notes", "pattern", "disposition"}


class Slice(NamedTuple):
    """The fingerprint of one hour of a call table: it tells whether the content changed without reading it."""

    start: str
    """YYYY-MM-DD HH:00:00, UTC"""
    rows: int
    seconds: int
    amount: str
    """sum of debit, 6 decimals"""
    checksum: int
    """sum of the CRC of each row's identity: any change of a row changes it"""

    @property
    def end(self) -> str:
        """The hour's end, as ``start``."""
        return str(datetime.fromisoformat(self.start) + timedelta(hours=1))


def read_slices(database: Database, source: str, start: str, end: str) -> list[Slice]:
    """Return the slices of [start, end) that have rows, in the order of time."""
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


def read_sums(database: Database, source: str, start: str, end: str) -> tuple[int, int, Decimal]:
    """Return (calls, seconds, sum of debit) of [start, end)."""
    statement = f"""
        SELECT COUNT(*), SUM(billseconds), SUM(debit) FROM `{SOURCES[source]}` WHERE callstart >= %s AND callstart < %s
    """
    [(rows, seconds, amount)] = database.execute(statement, (start, end))
    return int(rows), int(seconds or 0), Decimal(amount or 0)


def read_hours(
    database: Database, since: str, end: str, sources: Iterable[str] = SOURCES
) -> Iterator[tuple[str, list[Slice]]]:
    """Yield (source, its slices) of call tables for [since, end), from the first call on."""
    for source in sources:
        first = first_call(database, source, since)
        yield source, read_slices(database, source, first[:13] + ":00:00", end) if first else []


def first_call(database: Database, source: str, since: str) -> str | None:
    """Return the start of the first call at or after ``since``, or None."""
    return database.execute(f"SELECT MIN(callstart) FROM `{SOURCES[source]}` WHERE callstart >= %s", (since,))[0][0]


def first_calls_under(database: Database, moved: Mapping[int, int], since: str) -> dict[int, datetime]:
    """Return when accounts that moved began to call under their new resellers; those that did not call are left out.

    A call's row keeps the reseller of call time (ASTPP facts 2.4).

    :param moved: {accounts.id: accounts.id of the reseller that it is under now, 0 for none}
    :param since: YYYY-MM-DD HH:MM:SS, UTC; calls from there on
    :return: {accounts.id: naive UTC}
    """
    found: dict[int, datetime] = {}
    pairs = ", ".join(["(%s, %s)"] * len(moved))
    for table in SOURCES.values():
        statement = f"""
            SELECT accountid, MIN(callstart) FROM `{table}`
             WHERE callstart >= %s AND (accountid, reseller_id) IN ({pairs}) GROUP BY accountid
        """
        values = [since, *(value for pair in moved.items() for value in pair)]
        for account, start in database.rows(statement, values) if moved else ():
            date = datetime.fromisoformat(str(start))
            found[int(account or 0)] = min(date, found.get(int(account or 0), date))
    return found


def read_calls(
    database: Database, source: str, slices: Iterable[Slice], reject: Callable[[str], object]
) -> Iterator[tuple[int, CallRecord]]:
    """Yield the calls of some slices as ``(line, CallRecord)``, streamed, in the order of time.

    Each row comes as one text with separators, because the driver takes twice as long to read columns. Each slice has a
    statement of its own, because the server uses the index on callstart for short spans only and scans the table for
    longer ones.

    :param reject: takes the reason why a row cannot become a record
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


def _text(field: str) -> str:
    """Return the SQL expression of a column's text, in which no separator is left."""
    text = f"COALESCE(`{field}`, '{'0' if field == 'accountid' else ''}')"
    return f"REPLACE({text}, '{SEPARATOR}', ' ')" if field in FREE_TEXTS else text


def read_days(database: Database, source: str, start: str, end: str) -> Iterator[list[str]]:
    """Yield [day, accounts.id, calls, seconds, amount] of [start, end) as texts, for reconciliation."""
    # One text a row, as in read_calls; made outside of the grouping query, as MySQL's ONLY_FULL_GROUP_BY wants it.
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
