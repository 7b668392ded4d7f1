"""What a database user must be allowed to do for what is written, and whether it is."""

from .database import ConnectorError, TooSlowError
from .writer import LEDGER_ROW, PAYMENT_ROW, WRITABLE, Writer

BALANCES = ("credit", "charge", "payment")
# What each kind of change updates; all leave their key in payment_transaction.
COLUMNS = {
    **{kind: {"accounts": ("balance",)} for kind in BALANCES},
    "order": {"order_items": WRITABLE["order_items"], "counters": WRITABLE["counters"]},
    "did": {"dids": tuple(column for column in WRITABLE["dids"] if column != "status")},
    "account": {"accounts": ("status", "credit_limit"), "dids": ("status",)},
    "invoicing": {"accounts": ("generate_invoice",)},
}
INSERTS = {
    "payment_transaction": f"{PAYMENT_ROW} SELECT id, 0, '0', '', 0, 0, 0, '', '', '', 1, '', NOW() FROM accounts WHERE 1 = 0",
    "invoice_details": f"{LEDGER_ROW} SELECT id, 0, 0, 0, '', 0, 0, 0, '', 1, '', '', 0, 0, NOW(), 0, '0', '0', 1 "
    "FROM accounts WHERE 1 = 0",
}


def missing_rights(settings, kinds, deadline=None):
    """Return texts that say which privileges a user lacks to write these kinds; nothing is changed.

    :param kinds: keys of ``COLUMNS``
    :param deadline: as for ``Database``
    """
    inserts = {"payment_transaction"} if kinds else set()
    if set(kinds) & set(BALANCES):
        inserts.add("invoice_details")
    updates = {(table, column) for kind in kinds for table, columns in COLUMNS[kind].items() for column in columns}
    missing = []
    with Writer(settings, deadline) as writer:
        for table in sorted(inserts):
            missing += _refused(writer, INSERTS[table], f"INSERT on the table {table}")
        for table, column in sorted(updates):
            statement = f"UPDATE `{table}` SET `{column}` = `{column}` WHERE 1 = 0"
            missing += _refused(writer, statement, f"UPDATE on the column {column} of the table {table}")
        if not missing:
            writer.execute("ROLLBACK")
    return missing


def _refused(writer, statement, right):
    try:
        writer.execute(statement)
    except TooSlowError:
        raise
    except ConnectorError as error:
        return [f"The user lacks {right}: {error}"]
    return []
