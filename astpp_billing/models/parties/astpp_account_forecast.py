from datetime import UTC

from odoo import api, fields, models
from odoo.tools import SQL

from ...billing_cycle import boundary_at_or_before


class AstppAccount(models.Model):
    """What the running period is worth so far, and what it will be."""

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
        amounts = self._unbilled_around(starts)
        for account in self:
            start = starts.get(account.id)
            before, running = amounts.get(account.id, (0.0, 0.0))
            account.running_amount = running
            account.forecast_amount = before + running
            if start and start < now:
                whole = account._period_end(start) - start
                account.forecast_amount = before + running * (whole / max(now - start, whole / 100))

    @api.model
    def _unbilled_around(self, moments):
        """Return {account id: (unbilled before, unbilled since)} of {account id: moment}."""
        self.env["astpp.usage"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT u.account_id,
                       COALESCE(sum(u.amount) FILTER (WHERE u.date < split.moment), 0),
                       COALESCE(sum(u.amount) FILTER (WHERE u.date >= split.moment), 0)
                  FROM unnest(%s::int[], %s::timestamp[]) AS split(account_id, moment)
                  JOIN astpp_usage u ON u.account_id = split.account_id
                 WHERE u.move_line_id IS NULL AND u.exception IS NULL AND u.prepaid IS NOT TRUE
              GROUP BY u.account_id
                """,
                list(moments),
                list(moments.values()),
            )
        )
        return {account: (float(before), float(since)) for account, before, since in rows}
