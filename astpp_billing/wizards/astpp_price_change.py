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
    date = fields.Date(
        string="From",
        required=True,
        default=fields.Date.context_today,
        help="With the first renewal on or after this day. Agreed prices stay.",
    )
    line_ids = fields.One2many(
        "astpp.price.change.line", "change_id", compute="_compute_line_ids", store=True, readonly=False
    )
    difference = fields.Float(compute="_compute_difference", digits=(20, 2), string="More per Month")

    @api.depends("product_id", "date")
    def _compute_line_ids(self):
        for change in self:
            lines = []
            for subscription, line in change._affected():
                moment = subscription._instant(max(change.date, line.date))
                price = change.product_id._astpp_price(subscription.account_id, line.quantity, moment)[0]
                if price != line.price:
                    lines.append(
                        Command.create({"subscription_id": subscription.id, "price": line.price, "new_price": price})
                    )
            change.line_ids = [Command.clear(), *lines]

    def _affected(self):
        """Yield the active orders with the product and the terms that have it: those of the day, else planned later."""
        self.ensure_one()
        domain = [
            ("state", "=", "active"),
            ("next_date", "!=", False),
            ("line_ids.product_id", "=", self.product_id.id),
        ]
        for subscription in self.env["astpp.subscription"].search(domain) if self.product_id and self.date else ():
            lines = subscription.line_ids.filtered(
                lambda line: line.status == "active" and line.product_id == self.product_id and not line.price_by_hand
            ).sorted("date")
            then = subscription._line_at(self.date)
            if line := (lines & then) or lines.filtered(lambda line: line.date > self.date)[:1]:
                yield subscription, line

    @api.depends("line_ids.new_price")
    def _compute_difference(self):
        for change in self:
            change.difference = sum(
                line.subscription_id.monthly_amount * (line.new_price / line.price - 1)
                for line in change.line_ids
                if line.price and line.subscription_id.product_id == change.product_id
            )

    @ours
    def action_apply(self):
        """Plan the new prices for the listed subscriptions."""
        self.ensure_one()
        for line in self.line_ids:
            line.subscription_id.check_access("write")
            subscription = line.subscription_id
            subscription._plan_price(line.new_price, subscription._instant(self.date), self.product_id)
        return {"type": "ir.actions.act_window_close"}


class AstppPriceChangeLine(models.TransientModel):
    """A subscription whose price would change."""

    _name = "astpp.price.change.line"
    _description = "Subscription with a New Price"

    change_id = fields.Many2one("astpp.price.change", required=True, ondelete="cascade")
    subscription_id = fields.Many2one("astpp.subscription", required=True, ondelete="cascade")
    account_id = fields.Many2one(related="subscription_id.account_id")
    next_date = fields.Datetime(related="subscription_id.next_date")
    price = fields.Float(string="Old Price", digits=(20, 6))
    new_price = fields.Float(digits=(20, 6), required=True)
