from odoo import models

from ..astpp_guard_mixin import OWN, ours
from .astpp_subscription_wholesale import RUNNING


class AstppSubscription(models.Model):
    """Each level of resellers follows the timeline of its customer's order, at its own prices.

    The levels do so on the same local dates. Each change of an order changes the one above it, which does the same.
    """

    _inherit = "astpp.subscription"

    def _levels_above(self, *states):
        """Return the wholesale orders of these orders that are in one of the states."""
        return self.wholesale_id.filtered(lambda above: above.state in (states or RUNNING))

    def _levels_change(self, days, note=False):
        """Plan for the levels above what was planned for their customers' orders.

        :param days: {order: the local day of the change}
        """
        for order in self.filtered(lambda order: order._levels_above()):
            above, line = order.wholesale_id, order._line_at(days[order])
            above._catch_up()
            day = max(days[order], above._day(above.start_date)) if above.start_date else days[order]
            price = above.did_id._price_for(above.account_id, line.product_id)[0] if above.did_id else None
            planned = above._plan_change(
                above._instant(day), line.product_id, line.quantity, price, note, line.restarts
            )
            if price is not None:
                planned.sudo().price_by_hand = False
            above._without_minutes(planned)

    def _without_minutes(self, lines):
        """Take the included minutes from terms of a wholesale order: only the customer's order has them."""
        for line in lines.sudo().filtered("free_minutes"):
            line.free_minutes = 0
            if line.applied:
                self.with_context(astpp_terms=OWN).free_minutes = 0
                self.allowance_ids.filtered(lambda each, line=line: each.period_start >= line.moment).sudo().unlink()

    def _levels_end(self, ends, reason, moment, note):
        """End the levels above on the same dates as their customers' orders.

        :param ends: {order: the first local day that is not used}
        """
        for order in self.filtered(lambda order: order._levels_above("draft", *RUNNING)):
            above, its_moment = order.wholesale_id, moment
            if moment and order._day_after(moment) == order._day(moment):
                first = above.start_date and above._day(above.start_date)
                its_moment = above._instant(max(ends[order], first or ends[order]))
            above._terminate(reason, its_moment, note)

    def _levels_set_end(self, moment):
        """Plan the end of the levels above for the same date, or call it off."""
        for order in self.filtered(lambda order: order._levels_above()):
            above = order.wholesale_id
            above.write({"end_date": moment and above._instant(order._day(moment))})

    def _levels_cancel(self, days):
        """Call off what was planned for the levels above, on the days on which their customers' plans were called off.

        :param days: {order: set of local days}
        """
        for order in self.filtered(lambda order: order._levels_above()):
            planned = order.wholesale_id.line_ids.filtered(
                lambda line, order=order: not line.applied and line.date in days[order]
            )
            if planned:
                planned.action_cancel()

    @ours
    def _move_levels(self):
        """Let other resellers pay from today on, because the accounts of these orders have moved to them.

        The former chain's orders end, and the new chain's begin with today, each charged by the day.
        """
        reason = self.env["astpp.close.reason"]._own("request")
        self._catch_up()
        for order in self.filtered(lambda order: order.state in RUNNING):
            today = order._day()
            if former := order._levels_above():
                former._catch_up()
                former._give_back_by_day()
                order.wholesale_id = False
                former._terminate(reason, former._instant(max(today, former._day(former.start_date))))
            for level in order._make_wholesale():
                level._begin_inside(order, today)
            if order.end_date:
                order._levels_set_end(order.end_date)

    def _give_back_by_day(self):
        """Let the running periods of these levels, and those above, give back what is not used, whatever they sell."""
        for level in self:
            start = level._day(level.start_date)
            first = level._line_at(start)
            level.line_ids.filtered(lambda line, first=first: line.date >= first.date).sudo().refund = True
            level._levels_above()._give_back_by_day()

    def _begin_inside(self, order, day):
        """Start this draft of a level on a local day, inside the running period of the order that it pays for.

        It has the order's periods. Until that day they are free, and the rest of the running one is charged by the day.
        """
        self.ensure_one()
        start = order._day(order.start_date)
        period = order._running_period()
        self._take_over_timeline(start)
        price, flags = self.price, self._product_flags(self.product_id, self.period_unit)
        if day > start:
            self.line_ids.sudo().write({"price": 0, "billing_day": 0})
            self._put_terms(day, price=price, prorate=True).sudo().applied = True
            if period.end and not flags["prorate"] and period.end > day:
                self._put_terms(period.end, prorate=False)
        self.write(
            {
                "state": "active",
                "activation_date": self._now(),
                "start_date": self._instant(start),
                "next_date": self._instant(order.next_date and order._day(order.next_date)),
                "odoo_from": self._instant(start),
                "anchor_day": order.anchor_day,
            }
        )
        self._charge_difference({self: day})
        if order.state == "suspended":
            self._suspend()
