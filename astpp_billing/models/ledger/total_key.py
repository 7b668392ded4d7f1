"""What the lines of one total have in common, and what they add up to: parts of the ledger's statements."""

from odoo.tools import SQL

KEY = (
    *("server_id", "company_id", "currency_id", "account_id", "partner_id", "issuer_id", "charge_type", "direction"),
    *("product_id", "prepaid", "elsewhere", "exception"),
)
FLAGS = ("prepaid", "elsewhere")


def columns(names, alias: str | None = None) -> SQL:
    return SQL(", ").join(SQL.identifier(alias, name) if alias else SQL.identifier(name) for name in names)


def same_key(one: str, other: str, names=(*KEY, "until")) -> SQL:
    """Return the condition that two rows have the same key, empty columns being equal.

    It is spelled as the unique index of totals is, and so that PostgreSQL can hash it.
    """
    nothing = {
        **dict.fromkeys(("account_id", "partner_id", "issuer_id", "product_id"), 0),
        "direction": "",
        "exception": "",
        "elsewhere": False,
    }
    return SQL(" AND ").join(
        SQL(
            "COALESCE(%(one)s, %(nothing)s) = COALESCE(%(other)s, %(nothing)s)"
            if name in nothing
            else "%(one)s = %(other)s",
            one=SQL.identifier(one, name),
            other=SQL.identifier(other, name),
            nothing=nothing.get(name),
        )
        for name in names
        if name not in ("company_id", "currency_id")
    )


# What lines with an alias ``u`` come to.
SUMS = SQL(
    "count(*) AS lines, count(*) FILTER (WHERE u.duration > 0 OR u.amount <> 0) AS calls,"
    " COALESCE(sum(u.duration), 0) AS duration, COALESCE(sum(u.amount), 0) AS amount,"
    " COALESCE(sum(GREATEST(-u.amount, 0)), 0) AS credit, COALESCE(sum(u.cost), 0) AS cost,"
    " min(u.date) AS first_date, max(u.date) AS last_date"
)
COUNTED = ("lines", "calls", "duration", "amount", "credit", "cost")
SUM_NAMES = (*COUNTED, "first_date", "last_date")


PLUS, MINUS = SQL("+"), SQL("-")


def changed_by(other: str, sign: SQL = PLUS) -> SQL:
    """Return the assignments by which a total ``t`` grows, or shrinks, by the sums of a row."""
    return SQL(", ").join(
        SQL("%s = %s %s %s", SQL.identifier(name), SQL.identifier("t", name), sign, SQL.identifier(other, name))
        for name in COUNTED
    )


def summed(sign: SQL = PLUS) -> SQL:
    """Return the columns that add up the sums of several rows."""
    return SQL(", ").join(SQL("%s sum(%s) AS %s", sign, *[SQL.identifier(name)] * 2) for name in COUNTED)


# Of a statement that has only lines to take out of totals: the totals to put them into.
NOWHERE = SQL("SELECT *, FALSE AS is_new FROM astpp_usage_total WHERE FALSE")
# What the statements that move lines return of each, besides ``old_id`` and ``new_id``.
MOVED = SQL("u.source, u.date, u.duration, u.rated_amount, u.amount, u.cost")


def waiting_state(alias: str) -> SQL:
    """Return the state of a total that no document bills, from its columns.

    :param alias: of the row that has them
    """
    return SQL(
        "CASE WHEN %(held)s IS NOT NULL THEN 'held' WHEN %(elsewhere)s THEN 'elsewhere' WHEN %(prepaid)s THEN 'prepaid'"
        " ELSE 'open' END",
        held=SQL.identifier(alias, "exception"),
        elsewhere=SQL.identifier(alias, "elsewhere"),
        prepaid=SQL.identifier(alias, "prepaid"),
    )
