from odoo import models


class AstppUsage(models.Model):
    """Charges of subscriptions can be explained."""

    _inherit = "astpp.usage"

    def action_explain(self):
        """Explain the charge of the order's period that this line is for."""
        self.ensure_one()
        return self.subscription_id._explain(self.period_date)
