"""Calls as PostgreSQL's COPY takes them: plain functions, which a thread may run."""

import io
from collections import Counter
from typing import NamedTuple

from ...connector.call_record import CallRecord

# The ledger's columns in the order of a record that is copied straight into it.
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
# What is handed to PostgreSQL at once, in bytes.
CHUNK = 1 << 19


class Owners(NamedTuple):
    """Whose the calls of a server are: looked up before COPY has the connection."""

    fixed: str
    """server, company and currency, as COPY takes them"""
    accounts: dict
    """{ASTPP id: account, customer, issuer and prepaid, as COPY takes them}"""
    packages: dict
    """{(ASTPP's order id, account's ASTPP id): subscription id}"""
    dids: dict
    """{number: DID id}"""


class CopyStream(io.RawIOBase):
    """Feeds chunks to COPY as PostgreSQL asks for them, so that memory stays flat."""

    def __init__(self, chunks):
        self._chunks = chunks
        self._rest = b""
        self.error = None

    def readable(self):
        return True

    def read(self, size=-1):  # pylint: disable=method-required-super
        size = CHUNK if size < 0 else size
        try:
            while len(self._rest) < size and (chunk := next(self._chunks, None)) is not None:
                self._rest += chunk
        except Exception as error:
            # psycopg2 turns it into a cancelled query: keep the reason.
            self.error = error
            raise
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def in_chunks(lines):
    """Join lines of text to chunks of bytes."""
    waiting, length = [], 0
    for line in lines:
        waiting.append(line)
        length += len(line)
        if length >= CHUNK:
            yield "".join(waiting).encode()
            waiting, length = [], 0
    yield "".join(waiting).encode()


def escaped(line):
    """The connector's texts have no control characters, so a backslash is all to look for."""
    return (line.replace("\\", "\\\\") if "\\" in line else line) + "\n"


def owned_lines(owners, records, counts):
    """Yield records as lines for COPY into the ledger; needs no database.

    :param records: iterator of ``(line, CallRecord)`` in the order of time: twins follow each other
    :param counts: Counter of the records by exception, filled on the way
    """
    fixed, accounts, packages, dids = owners
    moment, twins, legs = None, Counter(), {}
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
            # The same leg of a call with other values: the first one counts.
            exception = "changed"
        twins[record.row_key] += 1
        legs.setdefault((uniqueid, astpp_id), record.row_key)
        reference = second = ""
        if not (account := accounts.get(astpp_id)):
            account, reference, second, exception = "\t\t\tf", f"#{astpp_id}", exception or "", "unknown_account"
        counts[exception] += 1
        package = packages.get((package_id, astpp_id), "") if package_id else ""
        did = dids.get(callee, "") if charge_type == "did" and direction == "inbound" else ""
        # Written out: joining a list takes twice as long.
        yield escaped(
            f"{fixed}\t{source}\t{key}\t{account}\t{reference}\t{date!s}\t{charge_type}\t{direction}"
            f"\t{uniqueid or ''}\t{caller or ''}\t{callee or ''}\t{destination or ''}\t{pattern or ''}"
            f"\t{disposition or ''}\t{duration}\t{rated_amount!s}\t{amount!s}\t{cost!s}\t{exception or ''}\t{second}\t{package}\t{did}"
        )


def staged_lines(records):
    """Yield ``(line, CallRecord)`` as lines for COPY into the staging table; needs no database."""
    for line, record in records:
        yield escaped("\t".join(["" if value is None else str(value) for value in (line, *record)]))
