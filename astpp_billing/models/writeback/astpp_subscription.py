from datetime import UTC, timedelta

from odoo import models

from ...billing_cycle import local_date
from ...connector.balance import kept
from ...connector.changes import MinutesReset, OrderEnd, OrderPeriod, OrderTerms
from ..astpp_guard_mixin import ours
from .astpp_outbox import Queued


class AstppSubscription(models.Model):
    """Write back orders of ASTPP's that Odoo renews, changes or ends (ASTPP facts 1.9, 4.3, 4.4)."""

    _inherit = "astpp.subscription"

    def _renew(self):
        res = super()._renew()
        self._queue_periods(self.env._("Renewed: %s"))
        return res

    def _resume(self):
        running = {subscription: subscription.start_date for subscription in self}
        res = super()._resume()
        self.filtered(lambda s: s.start_date != running[s])._queue_periods(self.env._("Resumed: %s"))
        return res

    def _change_now(self, lines):
        res = super()._change_now(lines)
        self._queue_order(
            # A row that was planned anew comes into force again.
            f"change/{lines[-1:].id}/{lines[-1:].write_date:%Y%m%d%H%M%S%f}",
            self.env._("Changed: %s"),
            lambda s: [OrderTerms(**s._astpp_terms())],
        )
        return res

    @ours
    def _terminate(self, reason, moment=None, note=False):
        running = self.filtered(lambda subscription: subscription.state not in ("terminated", "draft"))
        res = super()._terminate(reason, moment, note)
        ended = running[:1].end_date
        running._queue_order(
            f"end/{ended:%Y%m%d%H%M%S}" if ended else "end", self.env._("Ended: %s"), lambda s: [s._astpp_end()]
        )
        return res

    def _queue_periods(self, text):
        for start, together in self.grouped("start_date").items():
            together._queue_order(
                f"period/{start:%Y%m%d%H%M%S}", text, lambda s: [s._astpp_period(), s._astpp_minutes()]
            )

    def _queue_order(self, cause, text, changes):
        """Queue changes of ASTPP's orders.

        :param cause: names the event; unique for each order
        :param changes: function that returns an order's changes
        """
        self.env["astpp.outbox"]._enqueue_changes(
            Queued(s.account_id, f"order/{s.id}/{cause}", text % s.name, changes(s), {"subscription_id": s.id})
            for s in self.filtered("astpp_id")
        )

    def _paid_days(self):
        """Return the first and last day of the running period in the account's time zone, or None if it has no end."""
        self.ensure_one()
        zone = self.account_id.tz
        first = local_date(self.start_date.replace(tzinfo=UTC), zone)
        last = local_date(self.next_date.replace(tzinfo=UTC), zone) - timedelta(days=1) if self.next_date else None
        return first, last

    def _astpp_period(self):
        first, last = self._paid_days()
        return OrderPeriod(**self._astpp_terms(), first=first, last=last)

    def _astpp_minutes(self):
        return MinutesReset(account_id=self.account_id.astpp_id, order_id=self.astpp_order_id)

    def _astpp_terms(self):
        """Return the fields of ``OrderTerms``."""
        terms = {"item_id": self.astpp_id, "quantity": self.quantity, "price": kept(self._amount())}
        if not self.did_id and (product_id := self.product_id.astpp_product_id):
            terms |= {"product_id": product_id, "free_minutes": self.free_minutes}
        return terms

    def _astpp_end(self):
        note = self.close_reason or self.close_reason_id.name or ""
        return OrderEnd(item_id=self.astpp_id, moment=self.end_date, note=note)
