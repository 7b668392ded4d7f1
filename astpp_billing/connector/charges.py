"""ASTPP's ledger rows (invoice_details) that are charges or credits in their own right."""

from .call_record import clean
from .database import datetime_or_none
from .readers import amount, number
from .records import Charge
from .writer import MARK

# Lines that ASTPP's own invoices made of calls: the calls are in the ledger themselves.
CALL_LINES = ("STANDARD", "DID", "LOCAL", "CALLINGCARD", "FREE", "FAX", "BROADCAST", "")
# Made by ASTPP's invoices and by payments of them.
INVOICE_LINES = ("TAX", "INVPAY")
CHARGE_TYPES = {
    "PACKAGE": "package",
    "SUBSCRIPTION": "subscription",
    "DID": "did_fee",
    "REFILL": "topup",
    "COMMISSION": "commission",
    "VOUCHER": "voucher",
    "POSTCHARGE": "charge",
    "POST_CHARGE": "charge",
    "FUNDTRANSFER": "transfer",
    "": "charge",
}


def read_charges(database, after_id, since):
    """Yield charges with a higher id, made at or after ``since`` (UTC text).

    What Odoo wrote itself is left out. ``order_item_id`` holds orders.id or order_items.id (ASTPP facts 1.13): the one of the same
    account is meant, orders first. DID lines are calls unless they belong to an order or to the
    DID category.
    """
    statement = """
        SELECT d.id, d.accountid, d.created_date, d.charge_type, d.debit, d.credit, d.description, d.invoiceid,
               COALESCE(o.product_id, p.product_id, 0), COALESCE(o.id, p.id, 0)
          FROM invoice_details d
     LEFT JOIN order_items o ON o.id = (SELECT MIN(i.id) FROM order_items i
                                         WHERE i.order_id = d.order_item_id AND i.accountid = d.accountid)
     LEFT JOIN order_items p ON p.id = d.order_item_id AND p.accountid = d.accountid
         WHERE d.id > %s AND d.created_date >= %s
           AND d.is_tax = 0 AND d.charge_type NOT IN %s
           AND NOT (d.charge_type IN %s AND d.order_item_id = 0 AND d.product_category = 0 AND d.invoiceid > 0
                    AND d.charge_type <> '')
           AND NOT (d.charge_type = '' AND d.debit = 0 AND d.credit = 0)
           AND NOT EXISTS (SELECT 1 FROM payment_transaction t WHERE t.id = d.payment_id AND t.transaction_id LIKE %s)
      ORDER BY d.id
    """
    for row in database.rows(statement, (after_id, since, INVOICE_LINES, CALL_LINES, f"{MARK}%")):
        key, account_id, date, kind, debit, credit, description, invoice_id, product_id, item_id = row
        charge_type = CHARGE_TYPES.get((kind or "").upper())
        # A manual line of a manual invoice has no type; a call type without order is no charge we know.
        yield Charge(
            id=int(key),
            account_id=number(account_id),
            date=datetime_or_none(date) or since,
            charge_type=charge_type or "charge",
            amount=amount(debit) - amount(credit),
            description=clean(description),
            product_id=number(product_id),
            order_item_id=number(item_id),
            invoiced=number(invoice_id) > 0,
            known_type=charge_type is not None,
        )


def read_states(database, ids):
    """Return {id: on an ASTPP invoice by now} of those of the given rows that still exist."""
    if not ids:
        return {}
    rows = database.rows("SELECT id, invoiceid FROM invoice_details WHERE id IN %s", (tuple(ids),))
    return {int(key): number(invoice_id) > 0 for key, invoice_id in rows}
