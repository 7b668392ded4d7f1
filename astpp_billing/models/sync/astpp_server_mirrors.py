from odoo import models
from odoo.tools import SQL


class AstppServer(models.Model):
    """Look up mirrored records by their ASTPP ids and numbers."""

    _inherit = "astpp.server"

    def _synced_ids(self, model):
        """Return {ASTPP id: record id} of a mirrored model."""
        self.ensure_one()
        mirrored = self.env[model]
        mirrored.flush_model(["server_id", "astpp_id"])
        rows = self.env.execute_query(
            SQL(
                "SELECT astpp_id, id FROM %s WHERE server_id = %s AND astpp_id <> 0",
                SQL.identifier(mirrored._table),
                self.id,
            )
        )
        return dict(rows)

    def _did_ids(self):
        """Return {number: DID id}."""
        dids = self.env["astpp.did"].with_context(active_test=False)
        return {did.number: did.id for did in dids.search_fetch([("server_id", "=", self.id)], ["number"])}

    def _synced_product_ids(self):
        """Return {ASTPP product id: ``product.product`` id}."""
        templates = self.env["product.template"].with_context(active_test=False)
        return {
            template.astpp_product_id: template.product_variant_id.id
            for template in templates.search([("astpp_server_id", "=", self.id)])
            if template.product_variant_id
        }
