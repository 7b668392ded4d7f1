from datetime import timedelta
from decimal import Decimal

from odoo import models
from odoo.exceptions import UserError
from odoo.tools import float_compare

from ...service_charge import by_product
from ...service_terms import ENDED, at, first_period, until
from ..astpp_guard_mixin import ours


class AstppSubscription(models.Model):
    """The life cycle of a subscription: start, renew, suspend, resume."""

    _inherit = "astpp.subscription"

    @ours
    def _start(self, moment=None):
        """Start the first period on the local day of ``moment``; charge it and the setup fee.

        :param moment: naive UTC, now by default
        :raise UserError: when the account is not active, a number is not free, or prepaid funds are insufficient
        """
        moment = moment or self._now()
        fees, amounts = [], {}
        for subscription in self:
            account = subscription.account_id
            if account.status != "active":
                raise UserError(self.env._("Account %s is not active.", account.display_name))
            if not subscription._is_wholesale():
                subscription.did_id._assign(subscription)
            subscription._start_timeline(subscription._day(moment))
            if subscription.setup_fee:
                fee = subscription._amount(price=subscription.setup_fee)
                fees.append(subscription._entry("setup", fee, subscription.start_date, None, charge_type="setup"))
            # The drafts of other accounts that start as well do not count.
            amounts[account] = amounts.get(account, Decimal(0)) + sum(by_product(subscription._pieces()).values())
            amounts[account] += fees[-1]["amount"] if subscription.setup_fee else 0
            subscription._check_funds(amounts[account])
        self.write({"state": "active", "activation_date": moment})
        self._charge_difference()
        self._add_charges(fees)
        self._open_allowances()

    def _start_timeline(self, day):
        """Let the draft's terms begin on a local day, and open the first period."""
        self.ensure_one()
        listed = self.product_id._astpp_price(self.account_id, self.quantity)[0]
        agreed = bool(float_compare(self.price, listed, precision_digits=6))
        # sudo: accountants change terms by these methods only.
        self.line_ids.sudo()[1:].unlink()
        self.line_ids.sudo().write(self._own_terms() | {"date": day, "applied": True, "price_by_hand": agreed})
        end = self.end_date and self._day(self.end_date)
        if end and end > day:
            self._put_terms(end, status=ENDED, known_date=day - timedelta(days=1))
        self._open({self: self._computed(lambda: first_period(self._timeline()[0], day))})

    def _check_funds(self, amount):
        """Refuse a prepaid purchase that the balance does not cover, unless the balance may go negative.

        :raise UserError: if so
        """
        account = self.account_id
        short = account.payment_mode == "prepaid" and self.product_id.astpp_release_without_funds
        if short and float(amount) > account._funds_left()[account]:
            raise UserError(
                self.env._(
                    "Account %(account)s has not enough funds for %(product)s. Top it up first.",
                    account=account.display_name,
                    product=self.product_id.display_name,
                )
            )

    def _open(self, periods):
        """Move on to new periods.

        :param periods: {subscription: ``service_terms.Period``}
        """
        values = {}
        for subscription, period in periods.items():
            start = subscription._instant(period.start)
            end = subscription._instant(until(subscription._timeline(), period))
            since = min(subscription.odoo_from or start, start)
            key = (start, end, period.anchor, since, end or subscription.odoo_until)
            values.setdefault(key, []).append(subscription.id)
        # The charges tell each renewal; the chatter is for what people change.
        for (start, end, anchor, odoo_from, odoo_until), ids in values.items():
            self.browse(ids).with_context(mail_notrack=True).write(
                {
                    **{"start_date": start, "next_date": end, "anchor_day": anchor},
                    **{"odoo_from": odoo_from, "odoo_until": odoo_until},
                }
            )

    @ours
    def _renew(self):
        """Open one more period for each subscription where the last one ended, and charge it.

        A period that other terms end before its time gives back what these do not use.
        """
        periods, cut = {}, {}
        for subscription in self:
            timeline = subscription._timeline()
            running = subscription._running_period(timeline)
            over = until(timeline, running) if running else subscription._day(subscription.next_date)
            due = subscription.line_ids.filtered(lambda line, over=over: not line.applied and line.date <= over)
            due._apply()
            if running and (over != running.end or min(due.mapped("date"), default=over) < over):
                cut[subscription] = min(due.mapped("date"), default=over)
                subscription.allowance_ids._close(subscription._instant(over))
            if running:
                subscription._mark_start(timeline, running, over)
            if period := subscription._following(timeline, running, over):
                periods[subscription] = period
        self.browse(subscription.id for subscription in cut)._charge_difference(cut)
        renewed = self.browse(subscription.id for subscription in periods)
        renewed._open(periods)
        renewed._charge_difference()
        renewed._open_allowances()
        renewed._notify("renewed")

    def _mark_start(self, timeline, running, over):
        """Note on terms that begin periods of their own that these have begun, so that they stay if they are replaced."""
        if over != running.end or at(timeline, over).length != at(timeline, running.start).length:
            self._line_at(over).filtered(lambda line: line.date == over and not line.restarts).sudo().restarts = True

    @ours
    def _suspend(self):
        """Pause from tomorrow on: the paid period is kept, or given back by days where the product refunds.

        Periods that are overdue are charged before.
        """
        self._catch_up()
        active = self.filtered(lambda s: s.state == "active")
        for subscription in active:
            subscription._set_status(subscription._day() + timedelta(days=1), "paused")
        active._pause()

    def _pause(self):
        """Note that subscriptions are paused by their timelines, and give back what they do not use."""
        for with_account, together in self.grouped(lambda s: s.account_id.status != "active").items():
            together.write({"state": "suspended", "paused_with_account": with_account})
        tomorrow = timedelta(days=1)
        self._charge_difference({subscription: subscription._day() + tomorrow for subscription in self})
        self._notify("suspended")
        if levels := self._levels_above("active"):
            levels._suspend()

    @ours
    def _resume(self):
        """Resume: go on with the paid period if it is still running, else begin a new one today."""
        self._catch_up()
        opened, self = {}, self.filtered(lambda s: s.state == "suspended")  # noqa: PLW0642
        for subscription in self:
            today = subscription._day()
            subscription._set_status(today, "active")
            subscription.state = "active"
            if not subscription.next_date or subscription.next_date > self._now():
                continue
            subscription.line_ids.filtered(lambda line, today=today: not line.applied and line.date <= today)._apply()
            opened[subscription] = subscription._first_period(today)
        fresh = self.browse(subscription.id for subscription in opened)
        (self - fresh)._changed_timeline()
        (self - fresh)._charge_difference({subscription: subscription._day() for subscription in self})
        fresh._open(opened)
        fresh._charge_difference()
        fresh._open_allowances()
        if levels := self._levels_above("suspended").filtered(lambda above: above.account_id.status == "active"):
            levels._resume()

    def _catch_up(self, upto=None):
        """Do what is overdue first: periods, planned changes and ends, whatever the account is by now.

        So what happens now happens after it, as if the scheduled action were never late.

        :param upto: local day; periods that begin on it or later are left out. By default all until today
        """
        mine = self.filtered(lambda s: s.state in ("active", "suspended"))._renewed_by_odoo()
        while due := mine.filtered(lambda s: s._is_overdue(upto)):
            before = {subscription: subscription._position() for subscription in due}
            due._advance(by_account=False)
            if any(subscription._position() == before[subscription] for subscription in due):
                return
        mine.filtered(lambda s: s.state == "active")._apply_changes()

    def _is_overdue(self, upto=None):
        """Tell whether a renewal or an end is due; see ``_catch_up``."""
        self.ensure_one()
        if upto is None and self.state != "terminated" and self.end_date and self.end_date <= self._now():
            return True
        return self.state == "active" and self._is_due() and (upto is None or self._day(self.next_date) < upto)
