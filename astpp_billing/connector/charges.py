"""ASTPP's ledger rows (invoice_details) that are charges or credits in their own right."""

from collections.abc import Iterator

from ..charge_types import CALL_WORDS, CHARGE_WORDS
from .call_record import RowError, clean
from .database import Database
from .records import Charge
from .rows import Reject, Row, records
from .writer import MARK

# Charge types of lines that sum up calls on ASTPP's own invoices: the calls themselves are in our ledger.
CALL_LINES = (*CALL_WORDS, "")
# Charge types of lines that ASTPP's invoices and their payments make.
INVOICE_LINES = ("TAX", "INVPAY")
COLUMNS = (
    *("id", "accountid", "created_date", "charge_type", "debit", "credit", "description", "invoiceid"),
    *("product_id", "order_item_id"),
)


# Which rows of invoice_details ``d`` are charges: takes INVOICE_LINES, CALL_LINES, and the pattern of Odoo's own keys.
_IS_CHARGE = """
    d.is_tax = 0 AND d.charge_type NOT IN %s
    AND NOT (d.charge_type IN %s AND d.order_item_id = 0 AND d.product_category = 0 AND d.invoiceid > 0
             AND d.charge_type <> '')
    AND NOT (d.charge_type = '' AND d.debit = 0 AND d.credit = 0)
    AND NOT EXISTS (SELECT 1 FROM payment_transaction t WHERE t.id = d.payment_id AND t.transaction_id LIKE %s)
"""
_CHARGES = (INVOICE_LINES, CALL_LINES, f"{MARK}%")


def read_charges(database: Database, after_id: int, since: str, reject: Reject) -> Iterator[Charge]:
    """Yield charges with an id above ``after_id``, made at or after ``since`` (UTC text).

    Rows that Odoo wrote are left out. ``order_item_id`` holds orders.id or order_items.id (ASTPP facts 1.13): it is
    looked up among the account's orders first, then among its items. DID lines are calls unless they belong to an order
    or to the DID category.
    """
    statement = f"""
        SELECT d.id, d.accountid, d.created_date, d.charge_type, d.debit, d.credit, d.description, d.invoiceid,
               COALESCE(o.product_id, p.product_id, 0), COALESCE(o.id, p.id, 0)
          FROM invoice_details d
     LEFT JOIN (SELECT order_id, accountid, MIN(id) AS id FROM order_items GROUP BY order_id, accountid) f
            ON f.order_id = d.order_item_id AND f.accountid = d.accountid
     LEFT JOIN order_items o ON o.id = f.id
     LEFT JOIN order_items p ON p.id = d.order_item_id AND p.accountid = d.accountid
         WHERE d.id > %s AND d.created_date >= %s AND {_IS_CHARGE}
      ORDER BY d.id
    """
    rows = database.rows(statement, (after_id, since, *_CHARGES))
    return records((Row(zip(COLUMNS, values, strict=True)) for values in rows), _charge, reject)


def _charge(row: Row) -> Charge:
    charge_type = CHARGE_WORDS.get((row["charge_type"] or "").upper())
    date = row.date("created_date")
    if not date:
        raise RowError("created_date: empty")
    return Charge(
        id=int(row["id"]),
        account_id=row.number("accountid"),
        date=date,
        charge_type=charge_type or "charge",
        amount=row.amount("debit") - row.amount("credit"),
        description=clean(row["description"]),
        product_id=row.number("product_id"),
        order_item_id=row.number("order_item_id"),
        invoiced=row.number("invoiceid") > 0,
        known_type=charge_type is not None,
    )


def read_states(database: Database, first: int, last: int) -> Iterator[str]:
    """Yield the rows in a range of ids as they are now, by id; rows without a date are left out.

    Each is one text with tabs, as COPY takes it: id, 1 if it is on an invoice of ASTPP's or else 0, accounts.id, amount,
    date, and ASTPP's word for its type, empty for one that is not known.
    """
    statement = """
        SELECT CONCAT_WS('\t', id, invoiceid > 0, accountid, debit - credit, created_date,
                         CASE WHEN charge_type IN %s THEN UPPER(charge_type) ELSE '' END)
          FROM invoice_details WHERE id BETWEEN %s AND %s AND created_date > '1990-01-01' ORDER BY id
    """
    words = tuple(word for word in CHARGE_WORDS if word)
    for (text,) in database.rows(statement, (words, first, last)):
        yield text


def read_charge_days(database: Database, start: str, end: str) -> Iterator[list[str]]:
    """Yield [day, accounts.id, charges, 0, amount] of [start, end) as texts, as ``calls.read_days``."""
    statement = f"""
        SELECT DATE(d.created_date), d.accountid, COUNT(*), 0, SUM(d.debit - d.credit)
          FROM invoice_details d
         WHERE d.created_date >= %s AND d.created_date < %s AND {_IS_CHARGE}
      GROUP BY DATE(d.created_date), d.accountid
    """
    for row in database.rows(statement, (start, end, *_CHARGES)):
        yield [str(value) for value in row]
