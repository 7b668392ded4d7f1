"""What ASTPP has now in the places that are written: for previews and comparisons."""

from collections.abc import Collection, Iterable
from decimal import Decimal

from .balance import Balance
from .database import Database
from .row_change import Change, RowChange
from .schema import OPTIONAL_COLUMNS, missing_columns
from .writer import MARK

CHUNK = 1000


def current_rows(database: Database, rows: Iterable[RowChange]) -> dict[tuple[str, int], dict[str, str]]:
    """Read what row changes would replace and what they look at, as {``RowChange.place``: {column: text}}."""
    wanted: dict[tuple[str, str], tuple[set[int], set[str]]] = {}
    lacking = {table: missing_columns(database, table) for table in OPTIONAL_COLUMNS}
    for row in rows:
        if row.lookup in lacking.get(row.table, ()):
            continue
        ids, columns = wanted.setdefault((row.table, row.lookup), (set(), set()))
        ids.add(row.place[1])
        columns |= {*row.values, *row.only}
    return {
        (table, key): values
        for (table, by), (ids, columns) in wanted.items()
        for key, values in _read(database, table, sorted(columns), ids, by).items()
    }


def current_values(
    database: Database, changes: tuple[type[Change], ...], ids: Iterable[int]
) -> dict[int, dict[str, str]]:
    """Read the columns that some kinds of changes of one table write, as {ID: {column: text}}."""
    columns = dict.fromkeys(column for change in changes for column in change.columns())
    return _read(database, changes[0].table, columns, ids)


def current_balances(database: Database, ids: Iterable[int]) -> dict[int, Balance]:
    """Read accounts' balances, by accounts.id."""
    rows = _read(database, "accounts", ("balance", "posttoexternal"), ids)
    return {key: Balance(Decimal(row["balance"]), row["posttoexternal"] == "1") for key, row in rows.items()}


def written_keys(database: Database, prefix: str) -> dict[str, tuple[int, str]]:
    """Return {key: (accounts.id, amount as text)} of the changes that ASTPP has.

    :param prefix: what the keys begin with
    """
    statement = "SELECT transaction_id, accountid, amount FROM payment_transaction WHERE transaction_id LIKE %s"
    return {
        key.removeprefix(MARK): (int(account_id), amount)
        for key, account_id, amount in database.rows(statement, (f"{MARK}{prefix}%",))
    }


def _read(
    database: Database, table: str, columns: Collection[str], ids: Iterable[int], by: str = "id"
) -> dict[int, dict[str, str]]:
    """Read columns of rows as text, zero dates and decimals as they stand, as {value of ``by``: {column: text}}."""
    wanted = sorted(set(ids))
    found = {}
    cast = ", ".join(f"CAST(`{column}` AS CHAR)" for column in columns)
    for start in range(0, len(wanted), CHUNK):
        statement = f"SELECT `{by}`, {cast} FROM `{table}` WHERE `{by}` IN %s"
        for key, *values in database.rows(statement, (wanted[start : start + CHUNK],)):
            found[int(key)] = dict(zip(columns, values, strict=True))
    return found
