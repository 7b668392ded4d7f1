"""ASTPP's ledger rows (invoice_details) that are charges or credits in their own right."""

from collections.abc import Iterator

from ..charge_types import CALL_WORDS, CHARGE_WORDS
from .call_record import RowError, clean
from .database import Database, Value
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


def read_charges(database: Database, after_id: int, since: str, reject: Reject) -> Iterator[Charge]:
    """Yield charges with an id above ``after_id``, made at or after ``since`` (UTC text).

    Rows that Odoo wrote are left out. ``order_item_id`` holds orders.id or order_items.id (ASTPP facts 1.13): it is
    looked up among the account's orders first, then among its items. DID lines are calls unless they belong to an order
    or to the DID category.
    """
    statement = """
        SELECT d.id, d.accountid, d.created_date, d.charge_type, d.debit, d.credit, d.description, d.invoiceid,
               COALESCE(o.product_id, p.product_id, 0), COALESCE(o.id, p.id, 0)
          FROM invoice_details d
     LEFT JOIN (SELECT order_id, accountid, MIN(id) AS id FROM order_items GROUP BY order_id, accountid) f
            ON f.order_id = d.order_item_id AND f.accountid = d.accountid
     LEFT JOIN order_items o ON o.id = f.id
     LEFT JOIN order_items p ON p.id = d.order_item_id AND p.accountid = d.accountid
         WHERE d.id > %s AND d.created_date >= %s
           AND d.is_tax = 0 AND d.charge_type NOT IN %s
           AND NOT (d.charge_type IN %s AND d.order_item_id = 0 AND d.product_category = 0 AND d.invoiceid > 0
                    AND d.charge_type <> '')
           AND NOT (d.charge_type = '' AND d.debit = 0 AND d.credit = 0)
           AND NOT EXISTS (SELECT 1 FROM payment_transaction t WHERE t.id = d.payment_id AND t.transaction_id LIKE %s)
      ORDER BY d.id
    """
    rows = database.rows(statement, (after_id, since, INVOICE_LINES, CALL_LINES, f"{MARK}%"))
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


def read_states(database: Database, first: int, last: int) -> Iterator[tuple[Value, ...]]:
    """Yield (id, "1" if it is on an invoice of ASTPP's, or else "0") of the rows in a range of ids, by id."""
    statement = "SELECT id, invoiceid > 0 FROM invoice_details WHERE id BETWEEN %s AND %s ORDER BY id"
    return database.rows(statement, (first, last))
