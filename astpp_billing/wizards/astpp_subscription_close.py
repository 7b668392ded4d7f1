from odoo import fields, models
from odoo.exceptions import UserError

from ..models.astpp_guard_mixin import ours
from ..renewal_period import day_start


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
    date = fields.Datetime(string="Ends On", help="The subscription ends as this day begins for the customer.")
    reason_id = fields.Many2one(
        "astpp.close.reason",
        required=True,
        default=lambda self: self.env.ref("astpp_billing.close_reason_request", raise_if_not_found=False),
    )
    note = fields.Char()

    @ours
    def action_close(self):
        """End the subscriptions, or record when they will end."""
        self.ensure_one()
        subscriptions = self.subscription_ids.filtered(lambda s: s.state != "terminated")
        subscriptions.check_access("write")
        if self.when == "date" and not self.date:
            raise UserError(self.env._("Say on which day they end."))
        now = fields.Datetime.now()
        for subscription in subscriptions:
            moment = {"now": now, "period": subscription.next_date}.get(self.when, self.date)
            if self.when == "date":
                moment = day_start(self.date, subscription.account_id.tz)
            if not moment or moment <= now or subscription.state == "draft":
                subscription._terminate(self.reason_id, now, self.note)
            else:
                subscription.write(
                    {"end_date": moment, "close_reason_id": self.reason_id.id, "close_reason": self.note}
                )
        return {"type": "ir.actions.act_window_close"}
