from odoo import api, fields, models
from odoo.tools import SQL

from ..connector.charges import read_charges, read_states

# Rows that were not yet committed when a higher id was read.
OVERLAP = 1000
RENEWALS = ("package", "subscription", "did_fee")
BATCH = 1000


class AstppUsage(models.Model):
    """ASTPP's own charges and credits in the ledger (ASTPP facts 5.7, 9)."""

    _inherit = "astpp.usage"

    @api.model
    def _load_charges(self, server, database, since):
        """Add charges made since then that the ledger does not have.

        :param since: UTC text
        :return: (added, read)
        """
        [(last,)] = self.env.execute_query(
            SQL(
                "SELECT max(source_key::bigint) FROM astpp_usage WHERE server_id = %s AND source = 'charge'",
                server.id,
            )
        )
        accounts = {
            account.astpp_id: account
            for account in self.env["astpp.account"].search([("server_id", "=", server.id), ("astpp_id", "!=", 0)])
        }
        products = server._synced_product_ids()
        # Without it, fees of numbers are billed with the product of other charges.
        did_product = self.env.ref("astpp_billing.product_did", raise_if_not_found=False)
        did_product = did_product.id if did_product else None
        subscriptions = {
            subscription.astpp_id: subscription
            for subscription in self.env["astpp.subscription"].search(
                [("server_id", "=", server.id), ("astpp_id", "!=", 0)]
            )
        }
        added = read = 0
        rows = []
        for charge in read_charges(database, max(0, (last or 0) - OVERLAP), since):
            read += 1
            rows.append(self._charge_row(server, charge, accounts, products, did_product, subscriptions))
            if len(rows) == BATCH:
                added += self._insert_charges(rows)
                rows = []
        added += self._insert_charges(rows)
        self.invalidate_model()
        return added, read

    @api.model
    def _charge_row(self, server, charge, accounts, products, did_product, subscriptions):
        account = accounts.get(charge.account_id)
        subscription = subscriptions.get(charge.order_item_id)
        exception = second_exception = None
        if charge.invoiced:
            exception = "astpp_invoiced"
        elif not charge.known_type:
            exception = "blank_type"
        elif subscription and charge.charge_type in RENEWALS and charge.amount > 0:
            date = fields.Datetime.to_datetime(charge.date)
            exception = "renewed" if subscription._is_renewed_twice(date) else None
        if not account:
            exception, second_exception = "unknown_account", exception
        product = products.get(charge.product_id) or (did_product if charge.charge_type == "did_fee" else None)
        return (
            server.id, server.company_id.id, server.currency_id.id, "charge", str(charge.id),
            account.id if account else None, None if account else f"#{charge.account_id}",
            account.partner_id.id if account else None, account.issuer_id.id if account else None,
            charge.date, charge.charge_type, 0, charge.amount, charge.amount, 0, charge.description, product, exception,
            account.payment_mode == "prepaid" if account else False, subscription.id if subscription else None,
            subscription.did_id.id or None if subscription else None, second_exception,
        )  # fmt: skip

    @api.model
    def _insert_charges(self, rows):
        if not rows:
            return 0
        return len(
            self.env.cr.execute_values(
                """
                INSERT INTO astpp_usage (
                    server_id, company_id, currency_id, source, source_key, account_id, account_ref, partner_id,
                    issuer_id, date, charge_type, duration, rated_amount, amount, cost, description, product_id,
                    exception, prepaid, subscription_id, did_id, second_exception)
                VALUES %s
                ON CONFLICT (server_id, source, source_key) WHERE source_key IS NOT NULL DO NOTHING
                RETURNING id
                """,
                rows,
                page_size=BATCH,
                fetch=True,
            )
        )

    @api.model
    def _check_charges(self, server, database):
        """Hold unbilled charges that ASTPP has put on an invoice of its own, or deleted.

        :return: how many
        """
        waiting = self.search(
            [
                ("server_id", "=", server.id),
                ("source", "=", "charge"),
                ("move_line_id", "=", False),
                ("exception", "=", False),
                ("released_by_id", "=", False),
            ]
        )
        states = read_states(database, [int(usage.source_key) for usage in waiting])
        invoiced = waiting.filtered(lambda usage: states.get(int(usage.source_key)))
        gone = waiting.filtered(lambda usage: int(usage.source_key) not in states)
        # Nobody writes exceptions by hand, the synchronisation does.
        invoiced.sudo().exception = "astpp_invoiced"
        gone.sudo().exception = "gone"
        return len(invoiced | gone)
