from odoo import api, fields, models
from odoo.fields import Command

from ..models.astpp_guard_mixin import ours


class AstppPriceChange(models.TransientModel):
    """Apply products' current prices to existing subscriptions from a date on."""

    _name = "astpp.price.change"
    _description = "Change Prices of Subscriptions"

    product_id = fields.Many2one(
        "product.product", required=True, domain=[("astpp_type", "in", ("package", "subscription", "did"))]
    )
    date = fields.Datetime(
        string="From", required=True, default=fields.Datetime.now, help="With the first renewal on or after this day."
    )
    line_ids = fields.One2many(
        "astpp.price.change.line", "change_id", compute="_compute_line_ids", store=True, readonly=False
    )
    difference = fields.Float(compute="_compute_difference", digits=(20, 2), string="More per Month")

    @api.depends("product_id", "date")
    def _compute_line_ids(self):
        for change in self:
            lines = []
            domain = [("product_id", "=", change.product_id.id), ("state", "=", "active"), ("next_date", "!=", False)]
            for subscription in self.env["astpp.subscription"].search(domain) if change.product_id else ():
                price = change.product_id._astpp_price(subscription.account_id, subscription.quantity, change.date)[0]
                if price != subscription.price:
                    lines.append(Command.create({"subscription_id": subscription.id, "new_price": price}))
            change.line_ids = [Command.clear(), *lines]

    @api.depends("line_ids.new_price")
    def _compute_difference(self):
        for change in self:
            change.difference = sum(
                line.subscription_id.monthly_amount * (line.new_price / line.subscription_id.price - 1)
                for line in change.line_ids
                if line.subscription_id.price
            )

    @ours
    def action_apply(self):
        """Plan the new prices for the listed subscriptions."""
        self.ensure_one()
        for line in self.line_ids:
            line.subscription_id.check_access("write")
            line.subscription_id._plan_price(line.new_price, self.date)
        return {"type": "ir.actions.act_window_close"}


class AstppPriceChangeLine(models.TransientModel):
    """A subscription whose price would change."""

    _name = "astpp.price.change.line"
    _description = "Subscription with a New Price"

    change_id = fields.Many2one("astpp.price.change", required=True, ondelete="cascade")
    subscription_id = fields.Many2one("astpp.subscription", required=True, ondelete="cascade")
    account_id = fields.Many2one(related="subscription_id.account_id")
    next_date = fields.Datetime(related="subscription_id.next_date")
    price = fields.Float(related="subscription_id.price", string="Old Price")
    new_price = fields.Float(digits=(20, 6), required=True)
