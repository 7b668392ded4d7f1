from datetime import UTC, datetime

from odoo import models
from odoo.exceptions import UserError
from odoo.tools import format_date

from ...renewal_period import day_of, first_instant
from ...service_terms import ENDED, Period, at, first_period, period_of, until
from ..astpp_guard_mixin import OWN, ours
from .astpp_subscription import TERMS

# What a row has of the one before it, besides the terms themselves.
KEPT = ("price_by_hand", "prorate", "refund", "status", "billing_day")


class AstppSubscription(models.Model):
    """An order's timeline of terms, and the periods that follow from it. Days are local dates of the account."""

    _inherit = "astpp.subscription"

    def _now(self):
        return datetime.now(UTC).replace(tzinfo=None)

    def _day(self, instant=None):
        """Return the local date at an instant (naive UTC), by default now."""
        self.ensure_one()
        return day_of(instant or self._now(), self.account_id.tz)

    def _instant(self, day):
        """Return the first instant of a local day in naive UTC, or False without a day."""
        self.ensure_one()
        return first_instant(day, self.account_id.tz) if day else False

    def _timeline(self, in_force=False):
        """Return the terms in order of their days.

        :param in_force: only those that hold already; whoever is paused is so, whatever else is planned for later
        """
        self.ensure_one()
        lines = self.line_ids
        if in_force:
            lines = lines.filtered(lambda line: line.applied or line.status == "paused")
        return sorted(line._terms() for line in lines)

    def _running_period(self, timeline=None):
        """Return the running period as the terms of its first day have it, or None before the start."""
        self.ensure_one()
        if not self.start_date:
            return None
        start = self._day(self.start_date)
        timeline = timeline or self._timeline()
        if not timeline:
            return None
        try:
            return period_of(at(timeline, start), start, self.anchor_day or start.day)
        except (OverflowError, ValueError):
            # Only an order from before there was a limit; the period was opened, and its terms can be corrected.
            return Period(start, self.next_date and self._day(self.next_date), self.anchor_day or start.day)

    def _computed(self, function):
        """Return the period that a function computes.

        :raise UserError: when it is too long for a date
        """
        try:
            return function()
        except (OverflowError, ValueError) as error:
            raise UserError(
                self.env._(
                    "The period of %(order)s is too long for any calendar: %(count)s %(unit)s. Correct it.",
                    order=self.name,
                    count=self.period_count,
                    unit=dict(self._fields["period_unit"]._description_selection(self.env))[self.period_unit],
                )
            ) from error

    def _first_period(self, start):
        """Return the first period of the terms that hold on a day: of a new order, or one resumed later."""
        terms = at(self._timeline(), start)
        return self._computed(lambda: first_period(terms, start))

    def _terms_to_come(self):
        """Return the terms at the next renewal, as ``service_terms.Terms``, or None without one."""
        self.ensure_one()
        timeline = self._timeline()
        return at(timeline, self._day(self.next_date)) if self.next_date and timeline else None

    def _reschedule(self):
        """Let running periods end when their timelines say: at their end, or when other terms begin their own."""
        mine = self._renewed_by_odoo()
        for subscription in mine.filtered(lambda s: s.state in ("active", "suspended") and s.start_date):
            timeline = subscription._timeline()
            period = subscription._running_period(timeline)
            over = subscription._instant(until(timeline, period))
            if over != subscription.next_date:
                subscription.next_date = over

    def _line_at(self, day):
        """Return the row of terms that holds on a local day, or an empty recordset before the first one."""
        self.ensure_one()
        return self.line_ids.filtered(lambda line: line.date <= day).sorted("date")[-1:]

    def _line_vals(self, day, **values):
        """Return the values of a row of terms from a day on, with what holds then unless ``values`` say otherwise."""
        self.ensure_one()
        vals = {"subscription_id": self.id, "date": day}
        if before := self._line_at(day):
            vals |= _terms_of(before) | {name: before[name] for name in KEPT}
        else:
            vals |= self._own_terms()
        return vals | values

    def _own_terms(self):
        """Return the values of a row that has the order's own product, price and period, as a first one does."""
        self.ensure_one()
        return _terms_of(self) | self._product_flags(self.product_id, self.period_unit)

    def _product_flags(self, product, unit=None):
        """Return what terms copy from a product: whether it is charged and refunded by the day, and up to which day."""
        account = self.account_id
        joins = (
            product.astpp_prorate
            and (unit or product.astpp_period_unit or "month") == "month"
            and account.payment_mode == "postpaid"
            and account.cycle_unit in ("month", "year")
        )
        return {
            "prorate": product.astpp_prorate,
            "refund": product.astpp_refund_unused,
            "billing_day": account.billing_day if joins else 0,
        }

    def _product_terms(self, product):
        """Return the terms that come with a product: its period, minutes and flags."""
        unit = product.astpp_period_unit or "month"
        return {
            "product_id": product.id,
            "recurring": product.astpp_recurring,
            "period_count": product.astpp_period_count,
            "period_unit": unit,
            "free_minutes": product.astpp_free_minutes if product.astpp_type == "package" else 0,
            **self._product_flags(product, unit),
        }

    def _put_terms(self, day, **values):
        """Make the row of a day, or replace it; what it replaces is told in the chatter.

        :return: the ``astpp.subscription.line``
        """
        self.ensure_one()
        there = self.line_ids.filtered(lambda line: line.date == day)
        vals = self._line_vals(day, **values)
        # sudo: accountants change terms by these methods only.
        if not there:
            # A row that was moved to another day has to be there first: a day has one.
            there.flush_model(["date"])
            return there.sudo().create(vals)
        replaced = there._title()
        if there.restarts and self.start_date and self._day(self.start_date) == day:
            # The period that has begun on this day stays one of its own.
            vals.setdefault("restarts", True)
        there.sudo().write({"restarts": False, "note": False, **vals, "applied": False})
        if there._title() != replaced:
            body = self.env._("Planned anew: %(new)s (instead of %(old)s)", new=there._title(), old=replaced)
            self.message_post(body=body)
        return there

    def _set_status(self, day, status, **values):
        """Pause, resume or end from a day on; the terms planned for later days are paused or resumed as well."""
        self.ensure_one()
        later = self.line_ids.filtered(lambda line: line.date > day)
        if status == ENDED:
            for line in later.filtered(lambda line: line.status != ENDED):
                self.message_post(body=self.env._("Planned change called off: %s", line._title()))
            later.sudo().unlink()
        elif status == "active":
            later -= later._undo_pause()
        if status != ENDED:
            later.filtered(lambda line: line.status != ENDED).sudo().write({"status": status})
        before = self._line_at(day)
        if before.status != status:
            before = self._put_terms(day, status=status, **values)
        if before.date == day:
            before.sudo().applied = True

    def _set_end(self, moment):
        """Plan the end of running orders for an instant (naive UTC) at which a day begins, or call it off.

        :param moment: falsy to call it off
        """
        for subscription in self.filtered(lambda s: s.state in ("active", "suspended") and s.line_ids):
            ends = subscription.line_ids.filtered(lambda line: line.status == ENDED)
            was_known = bool(ends)
            ends.sudo().unlink()
            if moment:
                said = subscription._day()
                subscription._put_terms(subscription._day(moment), status=ENDED, known_date=said, restarts=False)
            if was_known:
                # The running period may have been charged up to the former end only.
                subscription._charge_difference({subscription: subscription._day()})

    @ours
    def _correct_terms(self, vals):
        """Take terms that were written on running orders directly into their timelines, from the next period on.

        Where ASTPP renews, it decides about the terms, and the period that runs has them.
        """
        values = {name: value for name, value in vals.items() if name in TERMS}
        if "price" in vals:
            values["price_by_hand"] = True
        mine = self._renewed_by_odoo()
        for subscription in self.filtered(lambda s: s.state in ("active", "suspended") and s.line_ids):
            day = subscription._day(subscription.next_date or None)
            if subscription not in mine and subscription.start_date:
                day = subscription._day(subscription.start_date)
            line = subscription._put_terms(day, **values)
            if subscription not in mine:
                line.sudo().applied = True

    def _refuse_past(self, day, replaces=False):
        """Refuse a change that is dated before the running period: what was charged then is credited instead.

        :param replaces: it replaces the terms of that day, which cannot be those by which ASTPP charged the period
        :raise UserError: if so
        """
        self.ensure_one()
        start = self.start_date and self._day(self.start_date)
        by_astpp = start and replaces and self._renewed_by_odoo() and self._charged_by_astpp()
        if not start or day > start or (day == start and not by_astpp):
            return
        raise UserError(
            self.env._(
                "%(order)s: the running period began on %(first)s, and a change cannot be dated before it. Make the "
                "change from that day on, and credit what was charged before: tick it in Usage > Charge History and "
                "press Credit Usage.",
                order=self.name,
                first=format_date(self.env, self._day(self.start_date)),
            )
        )

    @ours
    def _keep_dates(self, zone):
        """Keep the local dates of periods whose account had another time zone until now.

        The running period ends at midnight of the same date in the new zone, neither earlier nor later.

        :param zone: the former IANA zone
        """
        mine = self._renewed_by_odoo()
        for subscription in mine:

            def kept(instant, subscription=subscription):
                day = instant and day_of(instant, zone)
                # An end now is an instant of that day; all others are its first.
                return subscription._instant(day) if day and instant == first_instant(day, zone) else instant

            allowances = subscription.allowance_ids.filtered(
                lambda a, start=subscription.start_date: start and a.period_start >= start
            )
            for record, names in (
                (subscription, ("start_date", "next_date", "end_date")),
                *((allowance.sudo(), ("period_start", "period_end")) for allowance in allowances),
            ):
                values = {name: kept(record[name]) for name in names}
                record.with_context(astpp_terms=OWN).write(
                    {name: value for name, value in values.items() if value != record[name]}
                )

    @ours
    def action_join_billing_day(self):
        """Move running orders that are charged by the day to their accounts' billing day, with the next renewal."""
        self.check_access("write")
        for subscription in self.filtered(lambda s: s.state == "active" and s.next_date)._renewed_by_odoo():
            day = subscription._day(subscription.next_date)
            flags = subscription._product_flags(
                subscription._line_at(day).product_id, subscription._line_at(day).period_unit
            )
            if flags["billing_day"] and flags["billing_day"] != subscription.anchor_day:
                subscription._put_terms(day, restarts=True, billing_day=flags["billing_day"])
        self._changed_timeline()

    def _take_over_timeline(self, day):
        """Let the timeline begin on a local day with the terms that ASTPP had for an order."""
        self.ensure_one()
        vals = self._own_terms() | {"date": day, "status": "active", "applied": True}
        # sudo: accountants change terms by these methods only.
        self.line_ids.sudo()[1:].unlink()
        self.line_ids.sudo().write(vals)
        if self.state == "suspended":
            self._set_status(self._day(), "paused")
        if self.end_date:
            self._set_end(self.end_date)


def _terms_of(record):
    """Return the terms of a row or of an order as values."""
    names = ("quantity", "price", "period_count", "recurring", "free_minutes")
    unit = record.period_unit or "month"
    return {name: record[name] for name in names} | {"product_id": record.product_id.id, "period_unit": unit}
