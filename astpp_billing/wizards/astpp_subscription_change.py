from odoo import api, fields, models
from odoo.exceptions import UserError

from ..charge_types import SUBSCRIBED
from ..models.astpp_guard_mixin import ours


class AstppSubscriptionChange(models.TransientModel):
    """Change a subscription's product, quantity or price from a date on."""

    _name = "astpp.subscription.change"
    _description = "Change a Subscription"

    subscription_id = fields.Many2one(
        "astpp.subscription", required=True, default=lambda self: self.env.context.get("active_id")
    )
    currency_id = fields.Many2one(related="subscription_id.currency_id")
    company_id = fields.Many2one(related="subscription_id.company_id")
    when = fields.Selection(
        [("now", "Today"), ("renewal", "With the next renewal"), ("date", "On a day")], required=True, default="renewal"
    )
    date = fields.Datetime(string="From")
    product_id = fields.Many2one(
        "product.product",
        required=True,
        compute="_compute_terms",
        store=True,
        readonly=False,
        precompute=True,
        domain=[("astpp_type", "in", SUBSCRIBED)],
    )
    quantity = fields.Integer(required=True, compute="_compute_terms", store=True, readonly=False, precompute=True)
    price = fields.Float(
        digits=(20, 6),
        compute="_compute_price",
        store=True,
        readonly=False,
        help="Per period and piece, base currency.",
    )
    note = fields.Char()

    @api.depends("subscription_id")
    def _compute_terms(self):
        for change in self:
            change.product_id = change.subscription_id.product_id
            change.quantity = change.subscription_id.quantity

    @api.depends("product_id", "quantity")
    def _compute_price(self):
        for change in self:
            subscription = change.subscription_id
            same = change.product_id == subscription.product_id
            change.price = (
                subscription.price
                if same or not change.product_id
                else change.product_id._astpp_price(subscription.account_id, change.quantity)[0]
            )

    @ours
    def action_change(self):
        """Plan the change, or make it at once if its date is today."""
        self.ensure_one()
        subscription = self.subscription_id
        subscription.check_access("write")
        renewal = subscription.next_date or fields.Datetime.now()
        moment = {"now": fields.Datetime.now(), "renewal": renewal}.get(self.when, self.date)
        if not moment:
            raise UserError(self.env._("Say from which day on."))
        subscription._plan_change(moment, self.product_id, self.quantity, self.price, self.note)
        return {"type": "ir.actions.act_window_close"}
