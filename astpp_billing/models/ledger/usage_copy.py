"""Formatting calls for PostgreSQL's COPY. Plain functions without a database, so a thread can run them."""

import io
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date as day_type
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from ...connector.call_record import CallRecord

# The ledger's columns in the order of the fields of ``owned_lines``.
COPY_COLUMNS = (
    *("server_id", "company_id", "currency_id", "source", "source_key", "account_id", "partner_id", "issuer_id"),
    *(
        "prepaid",
        "elsewhere",
        "account_ref",
        *CallRecord._fields[4:17],
        "exception",
        "second_exception",
        "subscription_id",
        "did_id",
        "total_id",
    ),
)
# Size in bytes of the chunks handed to PostgreSQL.
CHUNK = 1 << 19


class Owners(NamedTuple):
    """What is needed to find the owner of a call; looked up beforehand, because COPY occupies the connection."""

    fixed: str
    """ids of server, company and currency, in COPY's format"""
    accounts: dict[int, list[tuple[datetime, str]]]
    """{ASTPP id: its terms, newest first: from when they are valid (naive UTC), and ids of account, customer and issuer
    and the flags prepaid and elsewhere, in COPY's format}"""
    packages: dict[tuple[int, int], int]
    """{(ASTPP's order id, account's ASTPP id): subscription id}"""
    dids: dict[str, int]
    """{number: DID id}"""
    periods: dict[str, list[datetime]]
    """{account id as text: ends of its periods, the running one first}; prepaid accounts have none"""


# The end of the period of usage that is dated after all periods that have begun.
END_OF_TIME = datetime(9999, 12, 31)
# (account, customer, issuer, prepaid and elsewhere in COPY's format; end of the period; type; direction; exception)
TotalKey = tuple[str, datetime, str, str, str | None]
# What the calls of a total come to on a UTC day: total id, source, lines, calls, seconds, rated amount, amount, credit,
# cost, first and last date.
DaySums = dict[tuple[TotalKey, day_type], list[Any]]


class TotalIds:
    """The ids of the totals that calls are added to, both existing ones and ones to be created.

    :param known: ids of existing totals
    :param reserve: returns some new ids; called in the thread that reads
    """

    def __init__(self, known: dict[TotalKey, int], reserve: Callable[[], list[int]]) -> None:
        self._ids = known
        self._reserve = reserve
        self._new: list[int] = []

    def of(self, key: TotalKey) -> int:
        """Return the id of a key's total."""
        if (total_id := self._ids.get(key)) is None:
            if not self._new:
                self._new = list(self._reserve())
            total_id = self._ids[key] = self._new.pop()
        return total_id


@lru_cache(maxsize=64)
def month_end(year: int, month: int) -> datetime:
    """Return the first moment after a month, naive UTC."""
    return (datetime(year, month, 28) + timedelta(days=4)).replace(day=1)


def period_end(ends: list[datetime] | None, date: datetime) -> datetime:
    """Return the end of the period that a call belongs to.

    :param ends: ends of the account's periods, the running one first; None: by months
    """
    if not ends:
        return month_end(date.year, date.month)
    position = bisect_right(ends, date)
    return ends[position] if position < len(ends) else END_OF_TIME


class CopyStream(io.RawIOBase):
    """A file for COPY that produces chunks on demand, so that memory use stays constant."""

    def __init__(self, chunks: Iterator[bytes]):
        self._chunks = chunks
        self._rest = b""
        self.error: Exception | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:  # pylint: disable=method-required-super
        size = CHUNK if size < 0 else size
        try:
            while len(self._rest) < size and (chunk := next(self._chunks, None)) is not None:
                self._rest += chunk
        except Exception as error:
            # psycopg2 reports this as a cancelled query, so keep the cause.
            self.error = error
            raise
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def in_chunks(lines: Iterable[str]) -> Iterator[bytes]:
    """Join lines of text into chunks of bytes of about ``CHUNK``."""
    waiting: list[str] = []
    length = 0
    for line in lines:
        waiting.append(line)
        length += len(line)
        if length >= CHUNK:
            yield "".join(waiting).encode()
            waiting, length = [], 0
    yield "".join(waiting).encode()


def escaped(line: str) -> str:
    """Escape a line for COPY; the connector removes control characters, so only backslashes need escaping."""
    return (line.replace("\\", "\\\\") if "\\" in line else line) + "\n"


def owned_lines(
    owners: Owners,
    records: Iterable[tuple[int, CallRecord]],
    counts: Counter[str | None],
    total_ids: TotalIds,
    sums: DaySums,
) -> Iterator[str]:
    """Yield records as lines for COPY straight into the ledger; needs no database.

    :param records: iterator of ``(line, CallRecord)`` in order of time, so that twins are found among neighbours
    :param counts: Counter of records by exception, updated while lines are yielded
    :param total_ids: which total each key has
    :param sums: updated while lines are yielded
    """
    fixed, accounts, packages, dids, periods = owners
    # Of the calls of one second: how often each key came, and the first key of each leg.
    moment: datetime | None = None
    day = day_type.min
    twins: Counter[str] = Counter()
    legs: dict[tuple[str | None, int | None], str] = {}
    for _line, record in records:
        (
            source, key, astpp_id, _number, date, charge_type, direction, uniqueid, caller, callee, destination,
            pattern, disposition, duration, rated_amount, amount, cost, exception, package_id,
        ) = record  # fmt: skip
        if date != moment:
            moment, day = date, date.date()
            twins.clear()
            legs.clear()
        elif key in twins:
            key, exception = f"{key}-{twins[key]}", "duplicate"
        elif uniqueid and legs.get((uniqueid, astpp_id), key) != key:
            # The same call leg with different values: the first one is billed.
            exception = "changed"
        twins[record.row_key] += 1
        legs.setdefault((uniqueid, astpp_id), record.row_key)
        reference = second = ""
        account = ""
        for term in accounts.get(astpp_id or 0, ()):
            account = term[1]
            if date >= term[0]:
                break
        if not account:
            account, reference, second, exception = "\t\t\tf\tf", f"#{astpp_id}", exception or "", "unknown_account"
        counts[exception] += 1
        ends = None if account[-3] == "t" else periods.get(account.partition("\t")[0])
        total_key = (account, period_end(ends, date), charge_type, direction, exception)
        if (total := sums.get((total_key, day))) is None:
            total = sums[total_key, day] = [total_ids.of(total_key), source, 0, 0, 0, 0, 0, 0, 0, date, date]
        total[2] += 1
        total[5] += rated_amount
        if duration or amount:
            total[3] += 1
            total[4] += duration
            total[6] += amount
            if amount < 0:
                total[7] -= amount
        total[8] += cost
        total[10] = date
        package = packages.get((package_id, astpp_id or 0), "") if package_id else ""
        did = dids.get(callee or "", "") if charge_type == "did" and direction == "inbound" else ""
        # An f-string, because joining a list takes twice as long.
        yield escaped(
            f"{fixed}\t{source}\t{key}\t{account}\t{reference}\t{date!s}\t{charge_type}\t{direction}"
            f"\t{uniqueid or ''}\t{caller or ''}\t{callee or ''}\t{destination or ''}\t{pattern or ''}"
            f"\t{disposition or ''}\t{duration}\t{rated_amount!s}\t{amount!s}\t{cost!s}\t{exception or ''}\t{second}\t{package}\t{did}\t{total[0]}"
        )


def staged_lines(records: Iterable[tuple[int, CallRecord]]) -> Iterator[str]:
    """Yield ``(line, CallRecord)`` as lines for COPY into the staging table; needs no database."""
    for line, record in records:
        yield escaped("\t".join(["" if value is None else str(value) for value in (line, *record)]))
