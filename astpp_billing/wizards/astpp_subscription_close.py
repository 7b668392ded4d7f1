from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.astpp_guard_mixin import ours


class AstppSubscriptionClose(models.TransientModel):
    """End subscriptions: now, with the paid period, or on a date."""

    _name = "astpp.subscription.close"
    _description = "End Subscriptions"

    subscription_ids = fields.Many2many(
        "astpp.subscription", required=True, default=lambda self: self.env.context.get("active_ids")
    )
    when = fields.Selection(
        [("now", "Now"), ("period", "At the end of the paid period"), ("date", "On a day")],
        required=True,
        default="period",
    )
    date = fields.Date(string="Last Day", help="This day is still used and paid for.")
    reason_id = fields.Many2one(
        "astpp.close.reason",
        required=True,
        default=lambda self: self.env.ref("astpp_billing.close_reason_request", raise_if_not_found=False),
    )
    note = fields.Char()
    currency_id = fields.Many2one(related="subscription_ids.currency_id")
    given_back = fields.Float(
        digits=(20, 6),
        compute="_compute_given_back",
        help="For unused days, where the product refunds them. Before tax.",
    )

    @api.depends("subscription_ids", "when", "date")
    def _compute_given_back(self):
        for close in self:
            total = 0
            for subscription in close.subscription_ids._origin.filtered(lambda s: s.state in ("active", "suspended")):
                moment = close._moment(subscription)
                end = subscription._day_after(moment)
                if moment is not False and subscription.start_date and end > subscription._day(subscription.start_date):
                    vals = subscription._line_vals(end, status="ended", known_date=subscription._day())
                    total -= subscription._forecast(self.env["astpp.subscription.line"].new(vals)._terms())[0]
            close.given_back = float(total)

    def _moment(self, subscription):
        """Return when a subscription would end, in naive UTC: None for now, False without a day."""
        if self.when == "date":
            return self.date and subscription._instant(self.date + timedelta(days=1))
        return subscription.next_date or None if self.when == "period" else None

    @ours
    def action_close(self):
        """End the subscriptions, or record when they will end."""
        self.ensure_one()
        subscriptions = self.subscription_ids.filtered(lambda s: s.state != "terminated")
        subscriptions.check_access("write")
        if self.when == "date" and not self.date:
            raise UserError(self.env._("Say on which day they end."))
        for subscription in subscriptions:
            moment = self._moment(subscription)
            if self.when == "date" and subscription.state != "draft":
                subscription._refuse_past(self.date)
            if not moment or moment <= fields.Datetime.now() or subscription.state == "draft":
                subscription._terminate(self.reason_id, moment if self.when == "date" else None, self.note)
            else:
                subscription.write(
                    {"end_date": moment, "close_reason_id": self.reason_id.id, "close_reason": self.note}
                )
        return {"type": "ir.actions.act_window_close"}
