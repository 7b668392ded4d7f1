from decimal import Decimal

from odoo import models

from ...service_charge import owed
from ...service_terms import at, end_of, following, period_of, until


class AstppSubscription(models.Model):
    """What planned terms would cost, before they are confirmed."""

    _inherit = "astpp.subscription"

    def _forecast(self, planned):
        """Return what terms cost on their day, and at the renewal after it, in the server's base currency.

        :param planned: ``service_terms.Terms`` that would be put into the timeline
        :return: (Decimal that is charged or, if negative, given back on their day, the next renewal's day or None,
            the Decimal charged then)
        """
        self.ensure_one()
        if not self.start_date or not self.line_ids:
            return Decimal(0), None, Decimal(0)
        timeline = self._timeline()
        new = sorted({terms.day: terms for terms in [*timeline, planned]}.values())
        start = self._day(self.start_date)
        period = self._computed(lambda: period_of(at(new, start), start, self.anchor_day or start.day))
        cost = _total(new, period, planned.day) - _total(timeline, self._running_period(timeline), planned.day)
        over = until(new, period)
        if over == planned.day != period.end and (begun := self._following(new, period)):
            # The terms begin a period of their own.
            cost, period = cost + _total(new, begun, planned.day), begun
        following_period = self._computed(lambda: following(new, period))
        if not following_period:
            return cost, None, Decimal(0)
        return cost, following_period.start, _total(new, following_period, following_period.start)


def _total(timeline, period, day):
    """Return what is owed for a period by the terms up to a day."""
    pieces = owed([terms for terms in timeline if terms.day <= day] or timeline[:1], period, end_of(timeline))
    return sum((piece.amount for piece in pieces), Decimal(0))
