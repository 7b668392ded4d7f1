from contextlib import suppress

from odoo import fields, models

from ..connector import readers
from ..connector.calls import SOURCES, read_hours
from ..connector.database import ConnectorError
from ..connector.read_ahead import read_ahead
from ..connector.schema import system_settings

BATCH = 500


class AstppServer(models.Model):
    """The steps of a synchronisation that read whole tables."""

    _inherit = "astpp.server"

    def _synced_ids(self, model):
        """Return {ASTPP id: record id} of a mirrored model."""
        self.ensure_one()
        found = (
            self.env[model]
            .with_context(active_test=False)
            .search_fetch([("server_id", "=", self.id), ("astpp_id", "!=", 0)], ["astpp_id"])
        )
        return {record.astpp_id: record.id for record in found}

    def _did_ids(self):
        """Return {number: DID id}."""
        dids = self.env["astpp.did"].with_context(active_test=False)
        return {did.number: did.id for did in dids.search_fetch([("server_id", "=", self.id)], ["number"])}

    def _synced_product_ids(self):
        """Return {ASTPP product id: product.product id}."""
        templates = self.env["product.template"].with_context(active_test=False)
        return {
            template.astpp_product_id: template.product_variant_id.id
            for template in templates.search([("astpp_server_id", "=", self.id)])
            if template.product_variant_id
        }

    def _sync_accounts(self, database, step):
        self._check_base_currency(database)
        self.env["astpp.tax"]._sync(self, list(readers.read_taxes(database)))
        rows = list(readers.read_accounts(database))
        # ASTPP's server adds up its calls while Odoo's is at work on the accounts.
        with read_ahead(read_hours(database, *self._usage_window()), len(SOURCES)) as hours:
            created, changed = self.env["astpp.account"]._sync(self, rows)
            # What cannot be read is told by the step that needs it.
            with suppress(ConnectorError):
                database.hours = dict(hours)
        step.write({"read_count": len(rows), "added_count": len(created), "changed_count": len(changed)})

    def _check_base_currency(self, database):
        code = system_settings(database).get("base_currency")
        currency = self.env["res.currency"].with_context(active_test=False).search([("name", "=", code)], limit=1)
        if currency and currency != self.currency_id and not self.sync_date:
            currency.sudo().active = True
            self.currency_id = currency

    def _sync_issuers(self, database, step):
        rows = list(readers.read_issuers(database))
        draft = system_settings(database).get("automatic_invoice") == "1"
        created = self.env["astpp.issuer"]._sync(self, rows, draft)
        step.write({"read_count": len(rows), "added_count": len(created)})

    def _sync_products(self, database, step):
        rows = list(readers.read_products(database))
        created, changed = self.env["product.template"]._astpp_sync(self, rows)
        prices = list(readers.read_reseller_prices(database))
        written = self.env["astpp.issuer"]._sync_prices(self, prices)
        step.write(
            {
                "read_count": len(rows) + len(prices),
                "added_count": len(created),
                "changed_count": len(changed) + written,
            }
        )

    def _sync_dids(self, database, step):
        rows = list(readers.read_dids(database))
        created, changed = self.env["astpp.did"]._sync(self, rows)
        step.write({"read_count": len(rows), "added_count": len(created), "changed_count": len(changed)})

    def _sync_orders(self, database, step):
        rows = list(readers.read_orders(database))
        created, changed, left_out = self.env["astpp.subscription"]._sync(self, rows)
        message = left_out and self.env._("%s orders of unknown accounts or deleted products are left out.", left_out)
        step.write(
            {
                "read_count": len(rows),
                "added_count": len(created),
                "changed_count": len(changed),
                "message": message,
            }
        )

    def _sync_charges(self, database, step):
        since = fields.Datetime.to_string(self.sync_from or fields.Datetime.to_datetime("2000-01-01"))
        added, read = self.env["astpp.usage"]._load_charges(self, database, since)
        held = self.env["astpp.usage"]._check_charges(self, database)
        step.write({"read_count": read, "added_count": added, "changed_count": held})

    def _sync_coupons(self, database, step):
        rows = list(readers.read_coupons(database))
        created, changed = self.env["astpp.coupon"]._sync(self, rows)
        step.write({"read_count": len(rows), "added_count": len(created), "changed_count": len(changed)})

    def _sync_payments(self, database, step):
        """Only rows that are new: payment_transaction rows are history, and many."""
        last = self.env["astpp.payment"].search([("server_id", "=", self.id)], order="astpp_id desc", limit=1).astpp_id
        read = added = 0
        batch = []
        for payment in readers.read_payments(database, last):
            read += 1
            batch.append(payment)
            if len(batch) == BATCH:
                added += len(self.env["astpp.payment"]._sync(self, batch)[0])
                batch = []
        added += len(self.env["astpp.payment"]._sync(self, batch)[0])
        step.write({"read_count": read, "added_count": added})
