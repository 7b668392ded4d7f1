from odoo import fields, models

from ..astpp_guard_mixin import ours

RUNNING = ("active", "suspended")


class AstppSubscription(models.Model):
    """Wholesale orders: what each reseller level pays for a customer's order.

    The rules are ASTPP's (ASTPP facts 4.2, 7.5).
    """

    _inherit = "astpp.subscription"

    customer_order_ids = fields.One2many(
        "astpp.subscription",
        "wholesale_id",
        string="Orders Below",
        help="The orders that this one is paid for, to the level above.",
    )

    def _is_wholesale(self):
        """Tell whether this is what a reseller pays for an order below; such an order does not own the number."""
        self.ensure_one()
        return bool(self.customer_order_ids)

    @ours
    def _start_with_levels(self):
        """Start drafts, and the orders of the resellers above before them: those own no number."""
        self._make_wholesale()._start()
        self._start()

    @ours
    def _make_wholesale(self):
        """Create the wholesale orders of the resellers above, each at the price that its seller charges it.

        Commission-based resellers sell at their parent's price and pay nothing. A reseller that already pays for the
        number by an order of its own is not charged again.

        :return: the new subscriptions, as drafts
        """
        made = self.browse()
        numbers = self.search([("did_id", "in", self.did_id.ids), ("state", "in", RUNNING)]) if self.did_id else made
        paid = {(order.did_id, order.account_id) for order in numbers}
        for subscription in self.filtered(lambda order: not order.wholesale_id):
            below, reseller = subscription, subscription.account_id.parent_id
            while reseller:
                if not reseller.commission_based and (subscription.did_id, reseller) not in paid:
                    above = self.create(subscription._wholesale_vals(reseller))
                    # Only the customer's order has included minutes.
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
        """Turn ending orders of resellers for numbers into wholesale orders where a customer still has the number."""
        for order in self.filtered(lambda s: s.did_id and s.state in RUNNING and not s._is_wholesale()):
            if order.account_id.account_type == "reseller" and order.account_id.status != "closed":
                order._go_on_as_level(moment)

    @ours
    def _go_on_as_level(self, moment):
        """Let a reseller that ends its own order of a number pay for the customer below that still has the number.

        The new wholesale order continues the paid period and takes over the wholesale orders above.

        :param moment: end of the reseller's own order, naive UTC
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
        if paid_until and self._line_at(self._day(start)).refund:
            # The unused rest is refunded: the new order pays from the day after the last used one.
            start, paid_until = False, self._instant(self._day_after(moment))
        level = self.copy({"setup_fee": 0})
        level._take_over_timeline(self._day(start or paid_until))
        level.write(
            {
                "state": self.state,
                "activation_date": moment or self._now(),
                "start_date": start,
                "next_date": paid_until,
                "anchor_day": self.anchor_day,
                "wholesale_id": (self.wholesale_id or below.wholesale_id).id,
            }
        )
        self.wholesale_id = False
        below.wholesale_id = level
