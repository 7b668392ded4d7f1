import datetime as dt
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from odoo import api, models
from odoo.tools import SQL


class UsageEntry(NamedTuple):
    """A charge or credit to add; customer, issuer, company and currency are taken from account and server."""

    source: str
    key: str
    """unique within its source and server"""
    server_id: int
    account_id: int | None
    """None for an account that Odoo does not know"""
    date: datetime | str
    """naive UTC"""
    charge_type: str
    amount: Decimal | float
    """in the server's base currency; negative for credits"""
    description: str | None
    product_id: int | None = None
    subscription_id: int | None = None
    did_id: int | None = None
    period_start: datetime | None = None
    """start of the period that it pays for, naive UTC"""
    period_end: datetime | None = None
    period_date: dt.date | None = None
    """the local day on which the order's period began"""
    account_ref: str | None = None
    """the source's name of an account that Odoo does not know"""
    exception: str | None = None
    """reason to hold it, a key of ``EXCEPTIONS``"""
    prepaid: bool | None = None
    """whether it is already paid from the balance; None: according to the account's payment mode"""


# The PostgreSQL types of the fields of UsageEntry, in their order.
TYPES = (
    *("text", "text", "int4", "int4", "timestamp", "text", "numeric", "text"),
    *("int4", "int4", "int4", "timestamp", "timestamp", "date", "text", "text", "bool"),
)


class AstppUsage(models.Model):
    """Adding everything except calls to the ledger: subscription charges, credits and ASTPP's own charges."""

    _inherit = "astpp.usage"

    @api.model
    def _add(self, entries: Sequence[UsageEntry]) -> list[UsageEntry]:
        """Add entries at once; what the ledger has already, or has twice among them, is passed over.

        An entry of an unknown account is held until the account exists; its own exception then takes effect.

        :return: the entries added, in the given order
        :raise psycopg2.Error: when an entry cannot be stored; then none is
        """
        if not entries:
            return []
        self.flush_model()
        self.env["astpp.account.term"].flush_model()
        self.env["astpp.server"].flush_model(["company_id", "currency_id"])
        columns = zip(zip(*entries, strict=True), TYPES, strict=True)
        added = self.env.execute_query(
            SQL(
                """
                INSERT INTO astpp_usage (
                    server_id, company_id, currency_id, source, source_key, account_id, account_ref, partner_id,
                    issuer_id, date, charge_type, duration, rated_amount, amount, cost, description, product_id,
                    subscription_id, did_id, period_start, period_end, period_date, prepaid, elsewhere, exception,
                    second_exception)
                SELECT s.id, s.company_id, s.currency_id, e.source, e.key, a.id,
                       CASE WHEN a.id IS NULL THEN e.account_ref END, term.partner_id,
                       term.issuer_id, e.date, e.charge_type, 0, e.amount, e.amount, 0, e.description, e.product_id,
                       e.subscription_id, e.did_id, e.period_start, e.period_end, e.period_date,
                       COALESCE(e.prepaid, term.prepaid, FALSE), COALESCE(term.elsewhere, FALSE),
                       CASE WHEN a.id IS NULL THEN 'unknown_account' ELSE held.exception END,
                       CASE WHEN a.id IS NULL THEN held.exception END
                  FROM unnest(%s) WITH ORDINALITY AS e(%s, position)
                  JOIN astpp_server s ON s.id = e.server_id
             LEFT JOIN astpp_account a ON a.id = e.account_id
             LEFT JOIN %s ON TRUE
            -- ASTPP gives each prepaid charge a receipt; that is no invoice, and it was paid from the balance.
            CROSS JOIN LATERAL (SELECT CASE WHEN e.exception <> 'astpp_invoiced'
                                                 OR NOT COALESCE(e.prepaid, term.prepaid, FALSE)
                                            THEN e.exception END AS exception) AS held
              ORDER BY e.position
           ON CONFLICT (server_id, source, source_key) WHERE source_key IS NOT NULL DO NOTHING
             RETURNING id, server_id, source, source_key
                """,
                SQL(", ").join(SQL("%s::%s[]", list(values), SQL.identifier(kind)) for values, kind in columns),
                SQL(", ").join(SQL.identifier(name) for name in UsageEntry._fields),
                self._terms_at("a", SQL("e.date")),
            )
        )
        self.invalidate_model()
        if added:
            self._retotal(SQL("u.id = ANY(%s)", [usage_id for usage_id, *_identity in added]))
        # Of several entries with the same key, the first one was added.
        first = {(entry.server_id, entry.source, entry.key): entry for entry in reversed(entries)}
        return [first[tuple(identity)] for _usage_id, *identity in added]
