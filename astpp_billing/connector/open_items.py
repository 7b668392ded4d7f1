"""What is open in ASTPP at a take-over: unpaid invoices of postpaid accounts, and what prepaid accounts have left."""

from collections.abc import Iterator

from .call_record import clean
from .database import Database
from .records import Funds, OpenInvoice
from .rows import Reject, Row, datetime_or_none, records
from .schema import where

# Customers, resellers and call shops; providers and administrators get no invoices that count.
CUSTOMERS = (0, 1, 5)


def read_open_invoices(database: Database, reject: Reject) -> Iterator[OpenInvoice]:
    """Yield confirmed invoices of postpaid accounts that are not paid, or overpaid, by id.

    Their own status is not to be trusted (ASTPP facts 5.6): an invoice is open when its lines do not come to zero.
    """
    # Grouped first: invoice_details has no index but its id, so it is read once.
    real = where(database, "invoices", {"confirm": 1, "is_deleted": 0}, "i")
    statement = f"""
        SELECT i.id, i.accountid, i.prefix, i.number, i.generate_date, i.due_date, d.total, d.paid
          FROM (SELECT invoiceid,
                       SUM(CASE WHEN charge_type = 'INVPAY' THEN 0 ELSE debit - credit END) AS total,
                       SUM(CASE WHEN charge_type = 'INVPAY' THEN credit - debit ELSE 0 END) AS paid
                  FROM invoice_details WHERE invoiceid > 0 GROUP BY invoiceid) AS d
          JOIN invoices i ON i.id = d.invoiceid
          JOIN accounts a ON a.id = i.accountid
         WHERE d.total <> d.paid AND {real}
           AND a.posttoexternal = 1 AND a.type IN %s
      ORDER BY i.id
    """
    names = ("id", "accountid", "prefix", "number", "generate_date", "due_date", "total", "paid")

    def make(row: Row) -> OpenInvoice:
        return OpenInvoice(
            id=int(row["id"]),
            account_id=row.number("accountid"),
            number=f"{clean(row['prefix']) or ''}{clean(row['number']) or ''}" or f"#{row['id']}",
            date=row.date("generate_date"),
            due=row.date("due_date"),
            total=row.amount("total"),
            paid=row.amount("paid"),
        )

    rows = (Row(zip(names, values, strict=True)) for values in database.rows(statement, (CUSTOMERS,)))
    return records(rows, make, reject, "Invoice with the ID {id}")


def read_invoiced_until(database: Database) -> dict[int, str]:
    """Return up to when ASTPP's cron has invoiced accounts: {accounts.id: last second of the last period, UTC text}.

    ``accounts.last_bill_date`` is not to be trusted where there are invoices: the cron moves it for accounts that are
    not due as well (ASTPP facts 5.1). Receipts have no period.
    """
    made = where(database, "invoices", {"is_deleted": 0, "generate_type": 0}, "i")
    rows = database.rows(
        f"SELECT i.accountid, MAX(i.to_date) FROM invoices i WHERE i.to_date > i.from_date AND {made} GROUP BY i.accountid"
    )
    return {int(account): moment for account, to_date in rows if (moment := datetime_or_none(to_date))}


def read_funds(database: Database, reject: Reject) -> Iterator[Funds]:
    """Yield what prepaid accounts have left, by id; nothing of accounts that are deleted or have nothing."""
    statement = """
        SELECT id, number, balance FROM accounts
         WHERE posttoexternal = 0 AND deleted = 0 AND balance <> 0 AND type IN %s
      ORDER BY id
    """

    def make(row: Row) -> Funds:
        return Funds(int(row["id"]), clean(row["number"]) or f"#{row['id']}", row.amount("balance"))

    rows = (Row(zip(("id", "number", "balance"), v, strict=True)) for v in database.rows(statement, (CUSTOMERS,)))
    return records(rows, make, reject, "Account with the ID {id}")
