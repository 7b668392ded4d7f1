from odoo import models


class AstppServer(models.Model):
    """Look up mirrored records by their ASTPP ids and numbers."""

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
        """Return {ASTPP product id: ``product.product`` id}."""
        templates = self.env["product.template"].with_context(active_test=False)
        return {
            template.astpp_product_id: template.product_variant_id.id
            for template in templates.search([("astpp_server_id", "=", self.id)])
            if template.product_variant_id
        }
