"""Formatting calls for PostgreSQL's COPY. Plain functions without a database, so a thread can run them."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from ...connector.call_record import CallRecord

# The ledger's columns in the order of the fields of ``owned_lines``.
COPY_COLUMNS = (
    *("server_id", "company_id", "currency_id", "source", "source_key", "account_id", "partner_id", "issuer_id"),
    *(
        "prepaid",
        "account_ref",
        *CallRecord._fields[4:17],
        "exception",
        "second_exception",
        "subscription_id",
        "did_id",
    ),
)
# Size in bytes of the chunks handed to PostgreSQL.
CHUNK = 1 << 19


class Owners(NamedTuple):
    """What is needed to find the owner of a call; looked up beforehand, because COPY occupies the connection."""

    fixed: str
    """ids of server, company and currency, in COPY's format"""
    accounts: dict[int, str]
    """{ASTPP id: ids of account, customer and issuer, and the prepaid flag, in COPY's format}"""
    packages: dict[tuple[int, int], int]
    """{(ASTPP's order id, account's ASTPP id): subscription id}"""
    dids: dict[str, int]
    """{number: DID id}"""


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
    owners: Owners, records: Iterable[tuple[int, CallRecord]], counts: Counter[str | None]
) -> Iterator[str]:
    """Yield records as lines for COPY straight into the ledger; needs no database.

    :param records: iterator of ``(line, CallRecord)`` in order of time, so that twins are found among neighbours
    :param counts: Counter of records by exception, updated while lines are yielded
    """
    fixed, accounts, packages, dids = owners
    # Of the calls of one second: how often each key came, and the first key of each leg.
    moment: datetime | None = None
    twins: Counter[str] = Counter()
    legs: dict[tuple[str | None, int | None], str] = {}
    for _line, record in records:
        (
            source, key, astpp_id, _number, date, charge_type, direction, uniqueid, caller, callee, destination,
            pattern, disposition, duration, rated_amount, amount, cost, exception, package_id,
        ) = record  # fmt: skip
        if date != moment:
            moment = date
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
        account = accounts.get(astpp_id or 0)
        if not account:
            account, reference, second, exception = "\t\t\tf", f"#{astpp_id}", exception or "", "unknown_account"
        counts[exception] += 1
        package = packages.get((package_id, astpp_id or 0), "") if package_id else ""
        did = dids.get(callee or "", "") if charge_type == "did" and direction == "inbound" else ""
        # An f-string, because joining a list takes twice as long.
        yield escaped(
            f"{fixed}\t{source}\t{key}\t{account}\t{reference}\t{date!s}\t{charge_type}\t{direction}"
            f"\t{uniqueid or ''}\t{caller or ''}\t{callee or ''}\t{destination or ''}\t{pattern or ''}"
            f"\t{disposition or ''}\t{duration}\t{rated_amount!s}\t{amount!s}\t{cost!s}\t{exception or ''}\t{second}\t{package}\t{did}"
        )


def staged_lines(records: Iterable[tuple[int, CallRecord]]) -> Iterator[str]:
    """Yield ``(line, CallRecord)`` as lines for COPY into the staging table; needs no database."""
    for line, record in records:
        yield escaped("\t".join(["" if value is None else str(value) for value in (line, *record)]))
