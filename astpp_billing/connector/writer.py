"""Writing to an ASTPP database: a change of an account's balance, once, as ASTPP's own screens expect it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from .database import ConnectorError, Database

# Marks our rows of payment_transaction: ASTPP leaves transaction_id alone (facts 1.15).
MARK = "ODOO-"
# Columns written, for the check of privileges.
PROBES = (
    ("accounts", "UPDATE", "UPDATE accounts SET balance = balance WHERE 1 = 0"),
    (
        "payment_transaction",
        "INSERT",
        "INSERT INTO payment_transaction (accountid, amount, tax, payment_method, actual_amount, payment_fee, reseller_id, "
        "transaction_id, customer_ip, user_currency, currency_rate, transaction_details, date) "
        "SELECT id, 0, '0', '', 0, 0, 0, '', '', '', 1, '', NOW() FROM accounts WHERE 1 = 0",
    ),
    (
        "invoice_details",
        "INSERT",
        "INSERT INTO invoice_details (accountid, reseller_id, invoiceid, order_item_id, charge_type, payment_id, "
        "product_category, is_tax, base_currency, exchange_rate, account_currency, description, debit, credit, "
        "created_date, generate_type, before_balance, after_balance, quantity) "
        "SELECT id, 0, 0, 0, '', 0, 0, 0, '', 1, '', '', 0, 0, NOW(), 0, '0', '0', 1 FROM accounts WHERE 1 = 0",
    ),
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


class Outcome(NamedTuple):
    before: Decimal
    """balance as ASTPP keeps it (facts 3.2)"""
    after: Decimal
    known: bool
    """ASTPP had the change already: it was made before a crash"""


class Writer(Database):
    """One transaction that writes; leaves nothing behind unless it comes to its end."""

    def __enter__(self):
        self._connection = self._connect()
        try:
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
            "SELECT balance, posttoexternal, credit_limit, reseller_id FROM accounts WHERE id = %s FOR UPDATE",
            (change.account_id,),
        )
        if not rows:
            raise ConnectorError(f"ASTPP has no account with the ID {change.account_id}.")
        balance, postpaid = Decimal(rows[0][0]), rows[0][1] == "1"
        mark = f"{MARK}{change.key}"
        if self.execute("SELECT id FROM payment_transaction WHERE transaction_id = %s LIMIT 1", (mark,)):
            return Outcome(balance, balance, True)
        after = balance - change.amount if postpaid else balance + change.amount
        self._insert_rows(change, mark, balance, after, postpaid, Decimal(rows[0][2] or 0), rows[0][3] or 0)
        self.execute("UPDATE accounts SET balance = %s WHERE id = %s", (after, change.account_id))
        self.execute("COMMIT")
        return Outcome(balance, after, False)

    def _insert_rows(self, change, mark, balance, after, postpaid, credit_limit, reseller_id):
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        self.execute(
            "INSERT INTO payment_transaction (accountid, amount, tax, payment_method, actual_amount, payment_fee, "
            "reseller_id, transaction_id, customer_ip, user_currency, currency_rate, transaction_details, date) "
            "VALUES (%s, %s, '0', 'Odoo', %s, 0, %s, %s, '', %s, 1, '', %s)",
            (change.account_id, change.amount, change.amount, reseller_id, mark, change.currency, now),
        )
        [(payment_id,)] = self.execute("SELECT LAST_INSERT_ID()")
        debit, credit = max(-change.amount, Decimal(0)), max(change.amount, Decimal(0))
        # The ledger keeps available funds, not the balance (facts 1.13).
        funds = [credit_limit - value if postpaid else value for value in (balance, after)]
        self.execute(
            "INSERT INTO invoice_details (accountid, reseller_id, invoiceid, order_item_id, charge_type, payment_id, "
            "product_category, is_tax, base_currency, exchange_rate, account_currency, description, debit, credit, "
            "created_date, generate_type, before_balance, after_balance, quantity) "
            "VALUES (%s, %s, 0, 0, %s, %s, 0, 0, %s, 1, %s, %s, %s, %s, %s, 0, %s, %s, 1)",
            (
                change.account_id, reseller_id, change.charge_type, payment_id, change.currency, change.currency,
                change.description[:255], debit, credit, now, str(funds[0]), str(funds[1]),
            ),
        )  # fmt: skip


def missing_rights(settings):
    """Return texts that say which privileges a user lacks to write; nothing is changed."""
    missing = []
    with Writer(settings) as writer:
        for table, right, statement in PROBES:
            try:
                writer.execute(statement)
            except ConnectorError as error:
                missing.append(f"The user lacks {right} on the table {table}: {error}")
        if not missing:
            writer.execute("ROLLBACK")
    return missing
