from odoo import api, fields, models


class AstppSubscriptionExplain(models.TransientModel):
    """Explain the charge of a subscription's period: its days and prices, and what the ledger has for it."""

    _name = "astpp.subscription.explain"
    _description = "Explain a Charge"

    subscription_id = fields.Many2one("astpp.subscription", required=True, readonly=True, ondelete="cascade")
    first_day = fields.Date(string="Period From", required=True, readonly=True)
    explanation = fields.Html(compute="_compute_explanation", sanitize=False)

    @api.depends("subscription_id", "first_day")
    def _compute_explanation(self):
        for explain in self:
            values = explain.subscription_id._explained(explain.first_day)
            explain.explanation = self.env["ir.qweb"]._render("astpp_billing.subscription_explanation", values)
