from odoo import models
from odoo.exceptions import UserError
from odoo.tools import float_compare

from ...service_terms import ENDED, at, first_period, following, period_of, periods, until
from ..astpp_guard_mixin import OWN, ours


class AstppSubscription(models.Model):
    """Changes: another product, quantity or price from a day on. One plan a day, the later one replaces it."""

    _inherit = "astpp.subscription"

    @ours
    def _plan_change(self, moment, product=None, quantity=None, price=None, note=False, restarts=False):
        """Plan new terms from the local day of ``moment`` on; terms that are due already take effect at once.

        :param moment: naive UTC
        :param product: with its period, minutes and flags; by default that of the day
        :param price: per period and piece, base currency; by default the issuer's price, or an agreed one
        :param restarts: begin a full new period on that day
        :return: the ``astpp.subscription.line`` records
        :raise UserError: for a day before the running period
        """
        planned = self.env["astpp.subscription.line"]
        self._catch_up()
        for subscription in self:
            if subscription.state not in ("active", "suspended"):
                raise UserError(self.env._("%s has not been started, or has ended.", subscription.name))
            day = subscription._day(moment)
            subscription._refuse_past(day, replaces=True)
            values = subscription._changed_terms(day, product, quantity, price)
            if restarts and subscription.state == "active":
                values["restarts"] = True
            planned |= subscription._put_terms(day, note=note, **values)
        self._changed_timeline()
        self._levels_change({subscription: subscription._day(moment) for subscription in self}, note)
        return planned

    def _changed_terms(self, day, product=None, quantity=None, price=None):
        """Return the values of a row with other terms from a day on; see ``_plan_change``.

        :raise UserError: when the order has ended by then
        """
        self.ensure_one()
        before = self._line_at(day)
        if before.status == ENDED and before.date < day:
            raise UserError(self.env._("%s ends before that day. Call the end off first.", self.name))
        wanted, pieces = product or before.product_id, quantity or before.quantity
        values = {"product_id": wanted.id, "quantity": pieces}
        if wanted != before.product_id:
            values |= self._product_terms(wanted)
        listed = wanted._astpp_price(self.account_id, pieces, self._instant(day))[0]
        if price is not None:
            same = wanted == before.product_id and not float_compare(price, before.price, precision_digits=6)
            agreed = before.price_by_hand if same else bool(float_compare(price, listed, precision_digits=6))
            values |= {"price": price, "price_by_hand": agreed}
        elif wanted != before.product_id or not before.price_by_hand:
            values |= {"price": listed, "price_by_hand": False}
        return values | ({"status": "active", "known_date": False} if before.status == ENDED else {})

    def _changed_timeline(self):
        """Let the running periods, their charges and what is in force follow changed timelines."""
        for subscription in self.filtered("start_date"):
            timeline = subscription._timeline()
            end = next((terms.day for terms in timeline if terms.status == ENDED), None)
            start = subscription._day(subscription.start_date)
            values = {"end_date": subscription._instant(end)}
            if at(timeline, start).day == start:
                values["anchor_day"] = subscription._anchor(timeline, start)
            if changed := {name: value for name, value in values.items() if value != subscription[name]}:
                subscription.with_context(astpp_terms=OWN).write(changed)
            if "end_date" in changed:
                subscription._charge_difference({subscription: subscription._day()})
        self._reschedule()
        self._apply_changes()

    def _anchor(self, timeline, start):
        """Return the day of the month that the running period keeps to by terms that hold from its first day on."""
        self.ensure_one()
        walk = self._computed(lambda: {period.start: period.anchor for period in periods(timeline, start)})
        terms = at(timeline, start)
        if start in walk or terms.length == self._length():
            return walk.get(start, self.anchor_day)
        return self._computed(lambda: first_period(terms, start)).anchor

    def _length(self):
        """Return the order's unit and how many of them a period has, as ``Terms.length`` does."""
        self.ensure_one()
        return (self.period_unit, self.period_count) if self.period_count > 0 else ("", 0)

    @ours
    def _plan_price(self, price, moment, product=None):
        """Plan a product's new price from the first renewal on or after the local day of ``moment`` (naive UTC).

        The day of a renewal counts, also after the renewal. Only terms of that product without an agreed price have
        it, those of now as well as those planned for later.

        :param product: by default that of now
        """
        self.ensure_one()
        self._catch_up()
        if self.state != "active":
            return
        product, wanted, timeline = product or self.product_id, self._day(moment), self._timeline()
        start, period = self._day(self.start_date), self._running_period(timeline)
        renewed = self.activation_date and self._day(self.activation_date) < start
        if not (renewed and start == wanted):
            period = self._following(timeline, period)
            while period and period.start < wanted:
                period = self._following(timeline, period)
        if not period:
            return
        holds = self._line_at(period.start)
        if holds.product_id == product and not holds.price_by_hand:
            self._put_terms(period.start, price=price)
        later = self.line_ids.filtered(lambda line: line.date > period.start and not line.applied)
        later.filtered(lambda line: line.product_id == product and not line.price_by_hand).sudo().price = price
        self._changed_timeline()

    def _following(self, timeline, period, day=None):
        """Return the period after ``period``, or None; without one, that of the terms of a local day.

        An order that pays for a number in another's place has none before.
        """
        if period:
            return self._computed(lambda: following(timeline, period))
        return self._computed(lambda: period_of(at(timeline, day), day, self.anchor_day or day.day))

    @ours
    def _apply_changes(self):
        """Apply the terms that are due in running periods, and charge or give back what they change.

        Terms that begin a period of their own, and have been put on a day that is not over, begin it now. All others
        wait for the renewal.
        """
        started = self.filtered(lambda s: s.state != "draft" and s.start_date)
        due = {subscription: lines for subscription in started if (lines := subscription._due_lines())}
        if due:
            for subscription, lines in due.items():
                subscription._change_now(lines)
            changed = self.browse(subscription.id for subscription in due)
            changed._charge_difference({each: max(lines.mapped("date")) for each, lines in due.items()})
        if cut := started.filtered(lambda s: s._is_cut() and s.state == "active"):
            cut._renew()
            cut._apply_changes()

    def _due_lines(self):
        """Return the terms that are due in the running period and not in force yet."""
        self.ensure_one()
        waiting = self.line_ids.filtered(lambda line: not line.applied and line.status != ENDED)
        if not waiting:
            return waiting
        today, timeline = self._day(), self._timeline()
        over = until(timeline, self._running_period(timeline))
        return waiting.filtered(lambda line: line.date <= today and (over is None or line.date < over))

    def _is_cut(self):
        """Tell whether terms of today, or before, end the running period before its time."""
        self.ensure_one()
        if not self.line_ids.filtered(lambda line: not line.applied) or not self._renewed_by_odoo():
            return False
        timeline = self._timeline()
        period = self._running_period(timeline)
        over = until(timeline, period)
        return over != period.end and over <= self._day()

    def _change_now(self, lines):
        """Let terms come into force in the running period: order and included minutes follow."""
        self.ensure_one()
        for line in lines.sorted("date"):
            before = (self.product_id, self.quantity, self.free_minutes)
            line._apply()
            if line.status == "active" and before != (self.product_id, self.quantity, self.free_minutes):
                self._change_minutes(line)
