from contextlib import suppress

from odoo import fields, models
from odoo.tools import split_every

from ...connector import readers
from ...connector.calls import SOURCES, read_hours
from ...connector.database import ConnectorError
from ...connector.read_ahead import read_ahead
from ...connector.schema import system_settings
from ...left_out import LeftOut

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
        taxes_left_out, left_out = LeftOut(), LeftOut()
        self.env["astpp.tax"]._sync(self, list(readers.read_taxes(database, taxes_left_out.add)), taxes_left_out)
        rows = list(readers.read_accounts(database, left_out.add))
        # ASTPP's server adds up its calls while Odoo's is at work on the accounts.
        with read_ahead(read_hours(database, *self._usage_window()), len(SOURCES)) as hours:
            created, changed = self.env["astpp.account"]._sync(self, rows, left_out, taxes_left_out.keys)
            # What cannot be read is told by the step that needs it.
            with suppress(ConnectorError):
                database.hours = dict(hours)
        left_out.include(taxes_left_out)
        step._note(len(rows), len(created), len(changed), left_out)

    def _check_base_currency(self, database):
        code = system_settings(database).get("base_currency")
        currency = self.env["res.currency"].with_context(active_test=False).search([("name", "=", code)], limit=1)
        if currency and currency != self.currency_id and not self.sync_date:
            currency.sudo().active = True
            self.currency_id = currency

    def _sync_issuers(self, database, step):
        left_out = LeftOut()
        rows = list(readers.read_issuers(database, left_out.add))
        draft = system_settings(database).get("automatic_invoice") == "1"
        created = self.env["astpp.issuer"]._sync(self, rows, draft, left_out)
        step._note(len(rows), len(created), 0, left_out)

    def _sync_products(self, database, step):
        left_out = LeftOut()
        rows = list(readers.read_products(database, left_out.add))
        created, changed = self.env["product.template"]._astpp_sync(self, rows, left_out)
        prices = list(readers.read_reseller_prices(database, left_out.add))
        written = self.env["astpp.issuer"]._sync_prices(self, prices, left_out)
        step._note(len(rows) + len(prices), len(created), len(changed) + written, left_out)

    def _sync_dids(self, database, step):
        left_out = LeftOut()
        rows = list(readers.read_dids(database, left_out.add))
        created, changed = self.env["astpp.did"]._sync(self, rows, left_out)
        step._note(len(rows), len(created), len(changed), left_out)

    def _sync_orders(self, database, step):
        left_out = LeftOut()
        rows = list(readers.read_orders(database, left_out.add))
        created, changed, waiting = self.env["astpp.subscription"]._sync(self, rows, left_out)
        remark = waiting and self.env._("%s orders of unknown accounts or deleted products are left out.", waiting)
        step._note(len(rows), len(created), len(changed), left_out, remark)

    def _sync_charges(self, database, step):
        since = fields.Datetime.to_string(self.sync_from or fields.Datetime.to_datetime("2000-01-01"))
        left_out = LeftOut()
        added, read = self.env["astpp.usage"]._load_charges(self, database, since, left_out)
        held = self.env["astpp.usage"]._check_charges(self, database)
        step._note(read, added, held, left_out)

    def _sync_coupons(self, database, step):
        left_out = LeftOut()
        rows = list(readers.read_coupons(database, left_out.add))
        created, changed = self.env["astpp.coupon"]._sync(self, rows, left_out)
        step._note(len(rows), len(created), len(changed), left_out)

    def _sync_payments(self, database, step):
        """Only rows that are new: payment_transaction rows are history, and many."""
        last = self.env["astpp.payment"].search([("server_id", "=", self.id)], order="astpp_id desc", limit=1).astpp_id
        read = added = 0
        left_out = LeftOut()
        for batch in split_every(BATCH, readers.read_payments(database, last, left_out.add)):
            read += len(batch)
            added += len(self.env["astpp.payment"]._sync(self, batch, left_out)[0])
        step._note(read, added, 0, left_out)
