from datetime import UTC

from odoo import api, fields, models

from ...billing_cycle import boundary_at_or_before


class AstppAccount(models.Model):
    """The amount of the running period so far, and a forecast for its end."""

    _inherit = "astpp.account"

    running_amount = fields.Monetary(
        string="This Period",
        compute="_compute_forecast",
        currency_field="usage_currency_id",
        help="Usage since the running period began.",
    )
    forecast_amount = fields.Monetary(
        string="Forecast",
        compute="_compute_forecast",
        currency_field="usage_currency_id",
        help="What waits from before, and the running period at its end if it goes on like this. Without taxes.",
    )

    @api.depends("billed_until", "next_period_end", "payment_mode")
    def _compute_forecast(self):
        now = fields.Datetime.now()
        starts = {
            account.id: max(
                account.billed_until,
                boundary_at_or_before(now.replace(tzinfo=UTC), account._cycle()).replace(tzinfo=None),
            )
            for account in self
            if account.payment_mode == "postpaid" and account.billed_until and account.next_period_end
        }
        amounts = self.env["astpp.usage"]._unbilled_around(starts)
        for account in self:
            start = starts.get(account.id)
            before, running = amounts.get(account.id, (0.0, 0.0))
            account.running_amount = running
            account.forecast_amount = before + running
            if start and start < now:
                whole = account._period_end(start) - start
                account.forecast_amount = before + running * (whole / max(now - start, whole / 100))
