"""Writing to an ASTPP database: each change once, in one transaction, with the rows that ASTPP's own screens expect."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, Self

from .balance import Balance, BalanceChange
from .changes import WRITABLE
from .database import ConnectorError, Database, Value
from .row_change import Change, RowChange
from .schema import missing_columns

# Marks our rows of payment_transaction: ASTPP leaves transaction_id alone (facts 1.15).
MARK = "ODOO-"
_COUPON = {"1": "inactive", "2": "used"}
PAYMENT_ROW = (
    "INSERT INTO payment_transaction (accountid, amount, tax, payment_method, actual_amount, payment_fee, reseller_id, "
    "transaction_id, customer_ip, user_currency, currency_rate, transaction_details, date) "
)
LEDGER_ROW = (
    "INSERT INTO invoice_details (accountid, reseller_id, invoiceid, order_item_id, charge_type, payment_id, "
    "product_category, is_tax, base_currency, exchange_rate, account_currency, description, debit, credit, "
    "created_date, generate_type, before_balance, after_balance, quantity) "
)


class CouponUsedError(ConnectorError):
    """A coupon that Odoo has redeemed cannot be redeemed in ASTPP any more."""


class Outcome(NamedTuple):
    """What a change did."""

    before: Decimal | list[dict[str, Value]]
    """balance as ASTPP keeps it (facts 3.2); for rows a list of {column: text}, one for each change"""
    after: Decimal | list[dict[str, Any]]
    known: bool
    """ASTPP had the change already, from an attempt that crashed after it"""


class Writer(Database):
    """One transaction that writes; nothing remains of it unless it is committed."""

    def __enter__(self) -> Self:
        self._connection = self._connect()
        try:
            self._limit_statements()
            self.execute("SET SESSION time_zone = '+00:00'")
            # Whoever waited for another writer's lock must see what that one has committed.
            self.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            self.execute("START TRANSACTION")
        except BaseException:
            self.__exit__()
            raise
        return self

    def change_balance(self, change: BalanceChange) -> Outcome:
        """Make a change of an account's balance with its ledger row and payment row, and commit.

        The account's row is locked first, so that two writers cannot make the same change.

        :return: ``Outcome``
        :raise CouponUsedError: when it redeems a coupon that ASTPP has not as unused
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
        amount, postpaid, credit_limit, reseller_id = rows[0]
        before = Balance(Decimal(amount), postpaid == "1", Decimal(credit_limit or 0))
        if self._is_known(change.key, change.account_id, change.amount):
            return Outcome(before.amount, before.amount, True)
        if change.coupon_id:
            self._use_coupon(change.coupon_id, change.account_id)
        after = before.plus(change.amount)
        self._insert_rows(change, before, after, reseller_id or 0)
        self.execute("UPDATE accounts SET balance = %s WHERE id = %s", (after.amount, change.account_id))
        self.execute("COMMIT")
        return Outcome(before.amount, after.amount, False)

    def _use_coupon(self, coupon_id: int, account_id: int) -> None:
        """Mark a coupon as used, as ASTPP's own redemption does (ASTPP facts 5.9)."""
        found = self.execute("SELECT status, account_id FROM refill_coupon WHERE id = %s FOR UPDATE", (coupon_id,))
        if not found:
            raise CouponUsedError(f"ASTPP has no coupon with the ID {coupon_id} any more.")
        status, owner = found[0]
        if status != "0":
            by = f" by the account with the ID {owner}" if status == "2" else ""
            raise CouponUsedError(
                f"The coupon with the ID {coupon_id} is {_COUPON.get(status, 'expired')} in ASTPP{by}."
            )
        self.execute(
            "UPDATE refill_coupon SET status = 2, firstused = %s, account_id = %s WHERE id = %s",
            (_now(), account_id, coupon_id),
        )

    def change_rows(self, key: str, account_id: int, changes: Sequence[Change], currency: str) -> Outcome:
        """Give rows new values and commit; the first change's row is locked before anything else.

        :param key: as in ``BalanceChange``
        :param account_id: accounts.id whose payment row keeps the key, with the amount 0
        :return: ``Outcome``
        :raise ConnectorError: when a row is gone or has a value that was not expected; nothing is changed then
        """
        rows = [change.row() for change in changes]
        # ASTPP 4.0 counts the minutes used without naming the order: there is no row to find.
        lacking = [bool(missing_columns(self, row.table) & row.match.keys()) for row in rows]
        found = [{} if lacks else self._locked(row) for row, lacks in zip(rows, lacking, strict=True)]
        if self._is_known(key, account_id, Decimal(0)):
            return Outcome(found, found, True)
        for row, now, lacks in zip(rows, found, lacking, strict=True):
            if lacks or not (rows[0].is_meant(found[0]) and row.is_meant(now)):
                continue
            self._check_expected(row, now)
            if not row.values:
                continue
            columns = ", ".join(f"`{column}` = %s" for column in row.values)
            where = " AND ".join(f"`{column}` = %s" for column in row.match)
            self.execute(
                f"UPDATE `{row.table}` SET {columns} WHERE {where}", (*row.values.values(), *row.match.values())
            )
        self._insert_payment(key, account_id, Decimal(0), 0, currency)
        self.execute("COMMIT")
        return Outcome(found, [row.values for row in rows], False)

    def _is_known(self, key: str, account_id: int, amount: Decimal) -> bool:
        """Tell whether ASTPP has a change already.

        :raise ConnectorError: when it has another change of this key, left from an Odoo that was restored since
        """
        rows = self.execute(
            # Compared as ASTPP keeps it.
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

    def _locked(self, row: RowChange) -> dict[str, Value]:
        """Lock a row; return what the change replaces and looks at as {column: text}, {} when there is no row."""
        if unknown := row.values.keys() - set(WRITABLE[row.table]):
            raise ValueError(f"{row.table}: {', '.join(unknown)} may not be written")
        columns = list(dict.fromkeys((*row.values, *row.expected, *row.only)))
        where = " AND ".join(f"`{column}` = %s" for column in row.match)
        found = self.execute(
            # As text, so that zero dates and decimals come unchanged.
            f"SELECT {', '.join(f'CAST(`{column}` AS CHAR)' for column in columns)} FROM `{row.table}` "
            f"WHERE {where} FOR UPDATE",
            tuple(row.match.values()),
        )
        if not found and not row.may_be_missing:
            raise ConnectorError(f"ASTPP has no row with the ID {row.match['id']} in the table {row.table}.")
        return dict(zip(columns, found[0], strict=True)) if found else {}

    def _check_expected(self, row: RowChange, found: dict[str, Value]) -> None:
        for column, allowed in row.expected.items():
            if found[column] not in [str(value) for value in allowed]:
                raise ConnectorError(
                    f"ASTPP has {column} {found[column]} in the table {row.table}, ID {row.match['id']}, instead of "
                    f"{' or '.join(str(value) for value in allowed)}: it was changed there."
                )

    def _insert_payment(
        self, key: str, account_id: int, amount: Decimal, reseller_id: int | str, currency: str
    ) -> None:
        self.execute(
            f"{PAYMENT_ROW} VALUES (%s, %s, '0', 'Odoo', %s, 0, %s, %s, '', %s, 1, '', %s)",
            (account_id, amount, amount, reseller_id, f"{MARK}{key}", currency, _now()),
        )

    def _insert_rows(self, change: BalanceChange, before: Balance, after: Balance, reseller_id: int | str) -> None:
        self._insert_payment(change.key, change.account_id, change.amount, reseller_id, change.currency)
        [(payment_id,)] = self.execute("SELECT LAST_INSERT_ID()")
        debit, credit = max(-change.amount, Decimal(0)), max(change.amount, Decimal(0))
        self.execute(
            f"{LEDGER_ROW} VALUES (%s, %s, 0, 0, %s, %s, 0, 0, %s, 1, %s, %s, %s, %s, %s, 0, %s, %s, 1)",
            (
                change.account_id, reseller_id, change.charge_type, payment_id, change.currency, change.currency,
                change.description[:255], debit, credit, _now(), str(before.funds), str(after.funds),
            ),
        )  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
