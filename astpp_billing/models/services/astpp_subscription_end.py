import logging
from datetime import timedelta

from odoo import models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ...service_terms import ENDED
from ..astpp_guard_mixin import OWN, ours

_logger = logging.getLogger(__name__)


class AstppSubscription(models.Model):
    """The end of a subscription: its last day is charged, and what is left given back if the product says so."""

    _inherit = "astpp.subscription"

    @ours
    def _terminate(self, reason, moment=None, note=False):
        """End subscriptions: charge what is overdue, refund the unused rest if they do so, and release their numbers.

        :param reason: ``astpp.close.reason``
        :param moment: naive UTC, now by default; its local day is used, unless the day begins at that instant
        :raise UserError: for a day before the running period
        """
        running = self.filtered(lambda subscription: subscription.state != "terminated")
        ends = {subscription: subscription._day_after(moment) for subscription in running}
        for subscription in running.filtered(lambda s: moment and s.state != "draft"):
            subscription._refuse_past(ends[subscription])
        for day, together in running.grouped(lambda s: moment and ends[s]).items():
            together._charge_overdue(day)
        running = running.filtered(lambda subscription: subscription.state != "terminated")
        running._go_on_as_levels(moment)
        started = running.filtered(lambda subscription: subscription.state != "draft")
        for subscription in started:
            subscription._set_status(ends[subscription], ENDED, known_date=subscription._day(), restarts=False)
        started._charge_difference(ends)
        running._close_orders(reason, moment or self._now(), note)
        if holders := started.filtered(lambda subscription: not subscription._is_wholesale()):
            holders.did_id._release(holders)
        started._notify("ended")
        running._levels_end(ends, reason, moment, note)

    def _refuse_past_end(self, moment):
        """Refuse an end (naive UTC) before the running periods of these orders.

        :raise UserError: if so
        """
        for subscription in self.filtered(lambda s: s.state in ("active", "suspended")):
            subscription._refuse_past(subscription._day_after(moment) - timedelta(days=1))

    def _charge_overdue(self, day):
        """Charge the periods that began before ``day``; where that fails, the order ends all the same and says so.

        :param day: None for all that is due now, an end that was planned for earlier included
        """
        try:
            with self.env.cr.savepoint():
                self._catch_up(day)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:
            self.env.invalidate_all()
            if len(self) > 1:
                for subscription in self:
                    subscription._charge_overdue(day)
                return
            _logger.warning("Overdue periods of %s cannot be charged", self.name, exc_info=True)
            reason = str(error).strip() or type(error).__name__
            self.message_post(body=self.env._("Ended, but its overdue periods could not be charged: %s", reason))

    def _day_after(self, moment):
        """Return the first local day that is not used by an order that ends at ``moment`` (naive UTC, or None: now)."""
        self.ensure_one()
        day = self._day(moment)
        if moment and moment == self._instant(day):
            return day
        return day + timedelta(days=1)

    def _close_orders(self, reason, moment, note):
        """Write that the orders have ended; what was planned for later is called off."""
        self.with_context(astpp_terms=OWN).write(
            {
                "state": "terminated",
                "end_date": moment,
                "next_date": False,
                "close_reason_id": reason.id,
                "close_reason": note,
            }
        )
        self.line_ids.filtered(lambda line: not line.applied).sudo().unlink()
        self.allowance_ids._close(moment)
