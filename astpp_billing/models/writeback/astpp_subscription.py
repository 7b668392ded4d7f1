from datetime import UTC, timedelta

from odoo import fields, models

from ...billing_cycle import local_date
from ..astpp_guard_mixin import ours


class AstppSubscription(models.Model):
    """Orders of ASTPP's that Odoo renews, changes or ends: ASTPP's rows follow (ASTPP facts 1.9, 4.3, 4.4)."""

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

    def _change_now(self, line):
        entries = super()._change_now(line)
        self._queue_order(f"change/{line.id}", self.env._("Changed: %s"), lambda s: [s._row_of_terms()])
        return entries

    @ours
    def _terminate(self, reason, moment=None, note=False):
        running = self.filtered(lambda subscription: subscription.state not in ("terminated", "draft"))
        res = super()._terminate(reason, moment, note)
        ended = running[:1].end_date
        running._queue_order(
            f"end/{ended:%Y%m%d%H%M%S}" if ended else "end", self.env._("Ended: %s"), lambda s: [s._row_of_end()]
        )
        return res

    def _queue_periods(self, text):
        for start, together in self.grouped("start_date").items():
            together._queue_order(
                f"period/{start:%Y%m%d%H%M%S}", text, lambda s: [s._row_of_period(), s._row_of_minutes()]
            )

    def _queue_order(self, cause, text, rows):
        """Queue changes of ASTPP's orders.

        :param cause: names what happened, once for each order
        :param rows: function that returns the row changes of an order
        """
        self.env["astpp.outbox"]._enqueue_rows(
            "order",
            [
                (s.account_id, f"order/{s.id}/{cause}", text % s.name, rows(s), {"subscription_id": s.id})
                for s in self.filtered("astpp_id")
            ],
        )

    def _astpp_dates(self):
        """Return the running period as ASTPP keeps it: its first day, and the last second of its last one."""
        self.ensure_one()
        zone = self.account_id.tz
        first = local_date(self.start_date.replace(tzinfo=UTC), zone)
        dates = {"billing_date": f"{first} 00:00:01"}
        if self.next_date:
            last = local_date(self.next_date.replace(tzinfo=UTC), zone) - timedelta(days=1)
            dates["next_billing_date"] = f"{last} 23:59:59"
        return dates

    def _row_of_period(self):
        values = self._astpp_dates() | self._row_of_terms()["values"]
        return {"table": "order_items", "match": {"id": self.astpp_id}, "values": values}

    def _row_of_minutes(self):
        match = {"accountid": self.account_id.astpp_id, "package_id": self.astpp_order_id}
        return {"table": "counters", "match": match, "values": {"used_seconds": 0}}

    def _row_of_terms(self):
        # ASTPP's price is the price of all pieces; DIDs are products of their own there.
        values = {"quantity": self.quantity, "price": f"{self._amount():.5f}"}
        if product_id := self.product_id.astpp_product_id if not self.did_id else 0:
            values |= {"product_id": product_id, "free_minutes": self.free_minutes}
        return {"table": "order_items", "match": {"id": self.astpp_id}, "values": values}

    def _row_of_end(self):
        values = {
            "is_terminated": 1,
            "termination_date": fields.Datetime.to_string(self.end_date),
            "termination_note": (self.close_reason or self.close_reason_id.name or "")[:255],
        }
        return {"table": "order_items", "match": {"id": self.astpp_id}, "values": values}
