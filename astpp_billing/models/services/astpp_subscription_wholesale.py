from odoo import fields, models

from ...renewal_period import day_start
from ..astpp_guard_mixin import ours

RUNNING = ("active", "suspended")


class AstppSubscription(models.Model):
    """What a reseller pays for his customer's order: one order a level, ended together (ASTPP facts 4.2, 7.5)."""

    _inherit = "astpp.subscription"

    customer_order_ids = fields.One2many(
        "astpp.subscription",
        "wholesale_id",
        string="Orders Below",
        help="The orders that this one is paid for, to the level above.",
    )

    def _is_wholesale(self):
        """Tell whether it is what a level pays for an order below it: such an order has no number itself."""
        self.ensure_one()
        return bool(self.customer_order_ids)

    @ours
    def _make_wholesale(self):
        """Create the orders of the resellers above, each at the price of the level above it.

        Resellers who work for a commission sell at their parent's price and pay nothing. Who pays for a number
        already, by an order of his own, is not charged twice.
        :return: the new subscriptions, drafts
        """
        made = self.browse()
        numbers = self.search([("did_id", "in", self.did_id.ids), ("state", "in", RUNNING)]) if self.did_id else made
        paid = {(order.did_id, order.account_id) for order in numbers}
        for subscription in self:
            below, reseller = subscription, subscription.account_id.parent_id
            while reseller:
                if not reseller.commission_based and (subscription.did_id, reseller) not in paid:
                    above = self.create(subscription._wholesale_vals(reseller))
                    # The minutes are the customer's.
                    above.free_minutes = 0
                    below.wholesale_id = above
                    below = above
                    made |= above
                reseller = reseller.parent_id
        return made

    def _wholesale_vals(self, reseller):
        self.ensure_one()
        vals = {
            "account_id": reseller.id,
            "product_id": self.product_id.id,
            "quantity": self.quantity,
            "sale_line_id": self.sale_line_id.id,
        }
        if self.did_id:
            price, fee = self.did_id._price_for(reseller, self.product_id)
            vals |= {"did_id": self.did_id.id, "price": price, "setup_fee": fee}
        return vals

    def _go_on_as_levels(self, moment):
        """Keep resellers whose own orders of numbers end as levels above their customers."""
        for order in self.filtered(lambda s: s.did_id and s.state in RUNNING and not s._is_wholesale()):
            if order.account_id.account_type == "reseller" and order.account_id.status != "closed":
                order._go_on_as_level(moment)

    @ours
    def _go_on_as_level(self, moment):
        """Have a reseller who ends his own order of a number pay as a level for his customer who still has it.

        What he has paid until then stays paid, and what the levels above him pay goes on.
        :param moment: naive UTC, when his order ends
        """
        self.ensure_one()
        account = self.account_id
        below = self.search(
            [
                *[("did_id", "=", self.did_id.id), ("state", "in", RUNNING)],
                *[("account_id", "child_of", account.id), ("account_id", "!=", account.id)],
            ]
        ).sorted(lambda order: order.account_id.parent_path.count("/"))[:1]
        if not below:
            return
        start, paid_until = self.start_date, self.next_date
        if paid_until and self.product_id.astpp_refund_unused:
            # He gets the rest back.
            start = paid_until = max(day_start(moment, account.tz), start)
        level = self.copy({"setup_fee": 0})
        level.write(
            {
                "state": self.state,
                "activation_date": moment,
                "start_date": start,
                "next_date": paid_until,
                "anchor_day": self.anchor_day,
                "wholesale_id": (self.wholesale_id or below.wholesale_id).id,
            }
        )
        self.wholesale_id = False
        below.wholesale_id = level
