from odoo import api, models


class AstppReconciliation(models.Model):
    """Compare balances, orders, numbers and accounts once a night, where Odoo writes any of them."""

    _inherit = "astpp.reconciliation"

    @api.model
    def _sync(self, run):
        res = super()._sync(run)
        if run.is_wide and run.server._written_kinds():
            self.env["astpp.outbox.difference"]._compare(run.server)
        return res
