"""What ASTPP has now in the places that are written: for previews and comparisons."""

from .writer import MARK

CHUNK = 1000


def current_rows(database, table, columns, ids, by="id"):
    """Read rows as text, zero dates and decimals as they stand.

    :param ids: values of the column ``by``
    :return: {value of ``by``: {column: text}}
    """
    wanted = sorted(set(ids))
    found = {}
    shown = ", ".join(f"CAST(`{column}` AS CHAR)" for column in columns)
    for start in range(0, len(wanted), CHUNK):
        statement = f"SELECT `{by}`, {shown} FROM `{table}` WHERE `{by}` IN %s"
        for key, *values in database.rows(statement, (wanted[start : start + CHUNK],)):
            found[int(key)] = dict(zip(columns, values, strict=True))
    return found


def written_keys(database, prefix):
    """Return {key: (accounts.id, amount as text)} of the changes that ASTPP has.

    :param prefix: what the keys begin with
    """
    statement = "SELECT transaction_id, accountid, amount FROM payment_transaction WHERE transaction_id LIKE %s"
    return {
        key.removeprefix(MARK): (int(account_id), amount)
        for key, account_id, amount in database.rows(statement, (f"{MARK}{prefix}%",))
    }
