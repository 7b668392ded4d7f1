from datetime import UTC, datetime
from decimal import Decimal

from odoo import models
from odoo.exceptions import UserError

from ...billing_cycle import local_date, next_boundary
from ...renewal_period import day_start, period_end, share_of_period
from ..astpp_guard_mixin import ours


class AstppSubscription(models.Model):
    """The life cycle of a subscription: start, renew, suspend, resume, end."""

    _inherit = "astpp.subscription"

    def _line_vals(self, **values):
        self.ensure_one()
        return {
            "subscription_id": self.id,
            "product_id": self.product_id.id,
            "quantity": self.quantity,
            "price": self.price,
            "date": self.start_date or self.create_date or datetime.now(UTC).replace(tzinfo=None),
            **values,
        }

    def _end_of_period(self, start, first=False):
        """Return the end of the period that starts at ``start`` (both naive UTC), or False if it has none.

        :param first: a first period may be shorter, up to the account's billing day
        :raise UserError: when the period is too long for a date
        """
        self.ensure_one()
        if self.period_count < 1:
            return False
        if first and self._joins_billing_day():
            return next_boundary(start.replace(tzinfo=UTC), self.account_id._cycle()).replace(tzinfo=None)
        try:
            return period_end(start, self.period_unit, self.period_count, self.anchor_day, self.account_id.tz)
        except (OverflowError, ValueError) as error:
            raise UserError(
                self.env._(
                    "The period of %(order)s is too long for any calendar: %(count)s %(unit)s. Correct it.",
                    order=self.name,
                    count=self.period_count,
                    unit=dict(self._fields["period_unit"]._description_selection(self.env))[self.period_unit],
                )
            ) from error

    def _joins_billing_day(self):
        """Tell whether periods follow the account's billing day, so that the first one may be shorter."""
        account = self.account_id
        return (
            self.product_id.astpp_prorate
            and self.recurring
            and account.payment_mode == "postpaid"
            and account.cycle_unit in ("month", "year")
            and self.period_unit != "day"
        )

    @ours
    def _start(self, moment=None):
        """Start the first period on the local day of ``moment``; charge it and the setup fee.

        :param moment: naive UTC, now by default
        :raise UserError: when the account is not active, a number is not free, or prepaid funds are insufficient
        """
        moment = moment or datetime.now(UTC).replace(tzinfo=None)
        entries = []
        for subscription in self:
            account = subscription.account_id
            if account.status != "active":
                raise UserError(self.env._("Account %s is not active.", account.display_name))
            start = day_start(moment, account.tz)
            joins = subscription._joins_billing_day()
            anchor = local_date(start.replace(tzinfo=UTC), account.tz).day
            subscription.anchor_day = account.billing_day if joins else anchor
            if not subscription._is_wholesale():
                subscription.did_id._assign(subscription)
            # The initial terms are in force from the first day.
            subscription.line_ids.sudo().date = start
            entries += subscription._open_period(start, subscription._end_of_period(start, first=True))
            if subscription.setup_fee:
                fee = subscription._amount(price=subscription.setup_fee)
                entries.append(subscription._entry("setup", fee, start, None, charge_type="setup"))
            subscription._check_funds(
                # The drafts of other accounts that start as well do not count.
                sum((entry["amount"] for entry in entries if entry["account"] == account), Decimal(0))
            )
        self.write({"state": "active", "activation_date": moment})
        self._add_charges(entries)
        self._open_allowances()

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

    def _open_period(self, start, end):
        """Move on to the period [start, end) and return its charge, in a list."""
        self.ensure_one()
        self.line_ids.filtered(lambda line: not line.applied and line.date <= start)._in_order()._apply()
        self.write(
            {
                "start_date": start,
                "next_date": end,
                "odoo_from": self.odoo_from or start,
                "odoo_until": end or self.odoo_until,
            }
        )
        return [self._entry("period", self._amount(self._share_of_period()), start, end)]

    def _share_of_period(self):
        """Return the running period's share of a whole period, as Decimal."""
        self.ensure_one()
        start, end = self.start_date, self.next_date
        if not end or not self._joins_billing_day():
            return Decimal(1)
        return share_of_period(start, end, self.period_unit, self.period_count, self.anchor_day, self.account_id.tz)

    @ours
    def _renew(self):
        """Open one more period for each subscription, starting where the last one ended."""
        entries = []
        for subscription in self:
            start = subscription.next_date
            entries += subscription._open_period(start, subscription._end_of_period(start))
        self._add_charges(entries)
        self._open_allowances()
        self._notify("renewed")

    @ours
    def _suspend(self):
        for with_account, together in self.grouped(lambda s: s.account_id.status != "active").items():
            together.write({"state": "suspended", "paused_with_account": with_account})
        self._notify("suspended")

    @ours
    def _resume(self):
        """Resume; start a new period today, unless the paid one is still running."""
        now = datetime.now(UTC).replace(tzinfo=None)
        entries, opened = [], self.browse()
        for subscription in self:
            subscription.state = "active"
            if subscription.next_date and subscription.next_date > now:
                continue
            start = day_start(now, subscription.account_id.tz)
            if not subscription._joins_billing_day():
                subscription.anchor_day = local_date(start.replace(tzinfo=UTC), subscription.account_id.tz).day
            entries += subscription._open_period(start, subscription._end_of_period(start, first=True))
            opened |= subscription
        self._add_charges(entries)
        opened._open_allowances()

    @ours
    def _terminate(self, reason, moment=None, note=False):
        """End subscriptions: refund the unused rest if the product says so, and release their numbers.

        :param reason: ``astpp.close.reason``
        :param moment: naive UTC, now by default
        """
        moment = moment or datetime.now(UTC).replace(tzinfo=None)
        self._go_on_as_levels(moment)
        running = self.filtered(lambda subscription: subscription.state != "terminated")
        entries = []
        for subscription in running:
            rest = subscription.product_id.astpp_refund_unused and subscription.state != "draft"
            day = day_start(moment, subscription.account_id.tz)
            if rest and (entry := subscription._unused_entry(max(day, subscription.start_date or day))):
                entries.append(entry)
        running._add_charges(entries)
        started = running.filtered(lambda subscription: subscription.state != "draft")
        running.write(
            {
                "state": "terminated",
                "end_date": moment,
                "next_date": False,
                "close_reason_id": reason.id,
                "close_reason": note,
            }
        )
        running.line_ids.filtered(lambda line: not line.applied).sudo().unlink()
        running.allowance_ids._close(moment)
        if holders := started.filtered(lambda subscription: not subscription._is_wholesale()):
            holders.did_id._release(holders)
        started._notify("ended")
        if above := running.wholesale_id:
            above._terminate(reason, moment, note)
