"""The privileges that a database user needs to write changes, and a check whether it has them."""

from collections.abc import Iterable
from typing import NamedTuple

from .changes import BALANCE_KINDS, writable
from .database import ConnectorError, Settings, TooSlowError
from .writer import LEDGER_ROW, PAYMENT_ROW, Writer

# Statements that insert nothing.
INSERTS = {
    "payment_transaction": f"{PAYMENT_ROW} SELECT id, 0, '0', '', 0, 0, 0, '', '', '', 1, '', NOW() FROM accounts WHERE 1 = 0",
    "invoice_details": f"{LEDGER_ROW} SELECT id, 0, 0, 0, '', 0, 0, 0, '', 1, '', '', 0, 0, NOW(), 0, '0', '0', 1 "
    "FROM accounts WHERE 1 = 0",
}


class Privileges(NamedTuple):
    """What is granted to a user beyond reading."""

    inserts: set[str]
    """tables"""
    updates: dict[str, tuple[str, ...]]
    """{table: columns}"""


def needed(kinds: Iterable[str]) -> Privileges:
    """Return what writing these kinds of changes needs; each change leaves its key in payment_transaction."""
    kinds = set(kinds)
    inserts = {"payment_transaction"} if kinds else set()
    if kinds & set(BALANCE_KINDS):
        inserts.add("invoice_details")
    return Privileges(inserts, writable(*kinds))


def missing_rights(settings: Settings, kinds: Iterable[str], deadline: float | None = None) -> list[str]:
    """Return texts that say which privileges a user lacks to write these kinds of changes; nothing is changed.

    :param kinds: of ``changes.KINDS``
    :param deadline: as for ``Database``
    """
    inserts, updates = needed(kinds)
    missing: list[str] = []
    with Writer(settings, deadline) as writer:
        for table in sorted(inserts):
            missing += _refused(writer, INSERTS[table], f"INSERT on the table {table}")
        for table, column in sorted((table, column) for table, columns in updates.items() for column in columns):
            statement = f"UPDATE `{table}` SET `{column}` = `{column}` WHERE 1 = 0"
            missing += _refused(writer, statement, f"UPDATE on the column {column} of the table {table}")
        if not missing:
            writer.execute("ROLLBACK")
    return missing


def _refused(writer: Writer, statement: str, right: str) -> list[str]:
    """Try a statement that changes nothing; return what the user lacks when it is refused."""
    try:
        writer.execute(statement)
    except TooSlowError:
        raise
    except ConnectorError as error:
        return [f"The user lacks {right}: {error}"]
    return []
