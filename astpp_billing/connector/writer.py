"""Writing to an ASTPP database: one change in one transaction, once, as ASTPP's own screens expect it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from .database import ConnectorError, Database

# Marks our rows of payment_transaction: ASTPP leaves transaction_id alone (facts 1.15).
MARK = "ODOO-"
# The only columns that are ever updated, by table.
WRITABLE = {
    "accounts": ("balance", "status", "credit_limit", "generate_invoice"),
    "order_items": (
        *("product_id", "quantity", "price", "free_minutes", "billing_date", "next_billing_date"),
        *("is_terminated", "termination_date", "termination_note"),
    ),
    "counters": ("used_seconds",),
    "dids": (
        *("accountid", "parent_id", "extensions", "always", "always_destination", "user_busy", "user_busy_destination"),
        *("user_not_registered", "user_not_registered_destination", "no_answer", "no_answer_destination"),
        *("failover_extensions", "status"),
    ),
}
PAYMENT_ROW = (
    "INSERT INTO payment_transaction (accountid, amount, tax, payment_method, actual_amount, payment_fee, reseller_id, "
    "transaction_id, customer_ip, user_currency, currency_rate, transaction_details, date) "
)
LEDGER_ROW = (
    "INSERT INTO invoice_details (accountid, reseller_id, invoiceid, order_item_id, charge_type, payment_id, "
    "product_category, is_tax, base_currency, exchange_rate, account_currency, description, debit, credit, "
    "created_date, generate_type, before_balance, after_balance, quantity) "
)


class BalanceChange(NamedTuple):
    """What an account gains or loses."""

    key: str
    """unique for ever: a change whose key ASTPP has is not made again; at most 45 characters"""
    account_id: int
    """accounts.id"""
    amount: Decimal
    """added to the account's funds, base currency; negative = charge"""
    charge_type: str
    """as in invoice_details: REFILL, Voucher, POSTCHARGE, INVPAY"""
    description: str
    currency: str
    """base currency's code"""
    number: str
    """accounts.number: an ID alone may be anybody's"""


class RowChange(NamedTuple):
    """Columns of a row that get new values."""

    table: str
    match: dict
    """what finds the row: {"id": 5}; counters are found by account and order, and may be missing"""
    values: dict
    """{column: value}, columns of ``WRITABLE`` only"""
    expected: dict = {}
    """{column: values that it may have now}: with any other one, somebody else decided since"""
    only: dict = {}
    """{column: value}: a row that has another one, or is gone, is left alone; the first row's: so are all others"""


class Outcome(NamedTuple):
    before: object
    """balance as ASTPP keeps it (facts 3.2); for rows a list of {column: text}, one for each change"""
    after: object
    known: bool
    """ASTPP had the change already: it was made before a crash"""


class Writer(Database):
    """One transaction that writes; leaves nothing behind unless it comes to its end."""

    def __enter__(self):
        self._connection = self._connect()
        try:
            self._limit_statements()
            self.execute("SET SESSION time_zone = '+00:00'")
            # What another writer has just committed must be seen behind its lock.
            self.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            self.execute("START TRANSACTION")
        except BaseException:
            self.__exit__()
            raise
        return self

    def change_balance(self, change):
        """Make a change of an account's balance with its ledger row and payment row, and commit.

        The account's row is locked first, so that two writers cannot make the same change.

        :return: ``Outcome``
        :raise ConnectorError: when the account is gone or the server refuses; nothing is changed then
        """
        rows = self.execute(
            "SELECT balance, posttoexternal, credit_limit, reseller_id FROM accounts WHERE id = %s AND number = %s FOR UPDATE",
            (change.account_id, change.number),
        )
        if not rows:
            raise ConnectorError(
                f"ASTPP has no account with the ID {change.account_id} and the number {change.number}."
            )
        balance, postpaid = Decimal(rows[0][0]), rows[0][1] == "1"
        if self._is_known(change.key, change.account_id, change.amount):
            return Outcome(balance, balance, True)
        after = balance - change.amount if postpaid else balance + change.amount
        self._insert_rows(change, balance, after, postpaid, Decimal(rows[0][2] or 0), rows[0][3] or 0)
        self.execute("UPDATE accounts SET balance = %s WHERE id = %s", (after, change.account_id))
        self.execute("COMMIT")
        return Outcome(balance, after, False)

    def change_rows(self, key, account_id, changes, currency):
        """Give rows new values and commit; the first change's row is locked before anything else.

        :param key: as in ``BalanceChange``
        :param account_id: accounts.id whose payment row keeps the key, with the amount 0
        :param changes: list of ``RowChange``
        :return: ``Outcome``
        :raise ConnectorError: when a row is gone or has a value that was not expected; nothing is changed then
        """
        found = [self._locked(change) for change in changes]
        if self._is_known(key, account_id, Decimal(0)):
            return Outcome(found, found, True)
        for change, rows in zip(changes, found, strict=True):
            if not (is_meant(changes[0], found[0]) and is_meant(change, rows)):
                continue
            self._check_expected(change, rows)
            if not change.values:
                continue
            columns = ", ".join(f"`{column}` = %s" for column in change.values)
            where = " AND ".join(f"`{column}` = %s" for column in change.match)
            self.execute(
                f"UPDATE `{change.table}` SET {columns} WHERE {where}",
                (*change.values.values(), *change.match.values()),
            )
        self._insert_payment(key, account_id, Decimal(0), 0, currency)
        self.execute("COMMIT")
        return Outcome(found, [change.values for change in changes], False)

    def _is_known(self, key, account_id, amount):
        """Tell whether ASTPP has a change; another one of this key is left from an Odoo that was restored since."""
        rows = self.execute(
            # The new amount as ASTPP keeps it.
            "SELECT accountid = %s AND amount = CAST(%s AS DECIMAL(20,5)) FROM payment_transaction "
            "WHERE transaction_id = %s LIMIT 1",
            (account_id, amount, f"{MARK}{key}"),
        )
        if rows and rows[0][0] != "1":
            raise ConnectorError(
                f"ASTPP has another change under the key {MARK}{key}: Odoo was probably restored from a backup. "
                "Compare both sides, make the change by hand and skip it here."
            )
        return bool(rows)

    def _locked(self, change):
        """Return the values that a change replaces, {column: text}, its row locked; {} when there is no row."""
        if unknown := change.values.keys() - set(WRITABLE[change.table]):
            raise ValueError(f"{change.table}: {', '.join(unknown)} may not be written")
        columns = list(dict.fromkeys((*change.values, *change.expected, *change.only)))
        where = " AND ".join(f"`{column}` = %s" for column in change.match)
        rows = self.execute(
            # Zero dates and decimals as they stand.
            f"SELECT {', '.join(f'CAST(`{column}` AS CHAR)' for column in columns)} FROM `{change.table}` "
            f"WHERE {where} FOR UPDATE",
            tuple(change.match.values()),
        )
        if not rows and change.table != "counters" and not change.only:
            raise ConnectorError(f"ASTPP has no row with the ID {change.match['id']} in the table {change.table}.")
        return dict(zip(columns, rows[0], strict=True)) if rows else {}

    def _check_expected(self, change, found):
        for column, allowed in change.expected.items():
            if found[column] not in [str(value) for value in allowed]:
                raise ConnectorError(
                    f"ASTPP has {column} {found[column]} in the table {change.table}, ID {change.match['id']}, instead of "
                    f"{' or '.join(str(value) for value in allowed)}: it was changed there."
                )

    def _insert_payment(self, key, account_id, amount, reseller_id, currency):
        self.execute(
            f"{PAYMENT_ROW} VALUES (%s, %s, '0', 'Odoo', %s, 0, %s, %s, '', %s, 1, '', %s)",
            (account_id, amount, amount, reseller_id, f"{MARK}{key}", currency, _now()),
        )

    def _insert_rows(self, change, balance, after, postpaid, credit_limit, reseller_id):
        self._insert_payment(change.key, change.account_id, change.amount, reseller_id, change.currency)
        [(payment_id,)] = self.execute("SELECT LAST_INSERT_ID()")
        debit, credit = max(-change.amount, Decimal(0)), max(change.amount, Decimal(0))
        # The ledger keeps available funds, not the balance (facts 1.13).
        funds = [credit_limit - value if postpaid else value for value in (balance, after)]
        self.execute(
            f"{LEDGER_ROW} VALUES (%s, %s, 0, 0, %s, %s, 0, 0, %s, 1, %s, %s, %s, %s, %s, 0, %s, %s, 1)",
            (
                change.account_id, reseller_id, change.charge_type, payment_id, change.currency, change.currency,
                change.description[:255], debit, credit, _now(), str(funds[0]), str(funds[1]),
            ),
        )  # fmt: skip


def is_meant(change, found):
    """Tell whether a row is one that a change is for.

    :param found: {column: text} as it is in ASTPP, {} when there is no such row
    """
    return all(found.get(column) == str(value) for column, value in change.only.items())


def _now():
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
