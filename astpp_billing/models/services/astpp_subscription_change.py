from datetime import UTC, datetime
from decimal import Decimal

from odoo import models
from odoo.exceptions import UserError

from ...renewal_period import day_start, share_of_period
from ..astpp_guard_mixin import ours


class AstppSubscription(models.Model):
    """Upselling: a different product, quantity or price from a date on."""

    _inherit = "astpp.subscription"

    @ours
    def _plan_change(self, moment, product=None, quantity=None, price=None, note=False):
        """Plan new terms from the local day of ``moment`` on; terms that are due already take effect at once.

        :param moment: naive UTC
        :param price: per period and piece, base currency; the issuer's price by default
        :return: the ``astpp.subscription.line`` records
        """
        lines = []
        for subscription in self:
            if subscription.state not in ("active", "suspended"):
                raise UserError(self.env._("%s has not been started, or has ended.", subscription.name))
            account, wanted = subscription.account_id, product or subscription.product_id
            pieces = quantity or subscription.quantity
            start = max(day_start(moment, account.tz), subscription.start_date or moment)
            new_price = wanted._astpp_price(account, pieces, start)[0] if price is None else price
            terms = {"product_id": wanted.id, "quantity": pieces, "price": new_price, "date": start, "note": note}
            lines.append(subscription._line_vals(**terms))
        planned = self.env["astpp.subscription.line"].sudo().create(lines)
        self._apply_changes(datetime.now(UTC).replace(tzinfo=None))
        return planned

    @ours
    def _plan_price(self, price, moment):
        """Plan a new price from the first renewal at or after ``moment`` (naive UTC).

        It replaces terms already planned for the same day, keeping their product and quantity.
        """
        self.ensure_one()
        start = self.next_date
        while start < moment and self.recurring and self.period_count:
            start = self._end_of_period(start)
        planned = self.line_ids.filtered(lambda line: not line.applied and line.date <= start)._in_order()[-1:]
        self.line_ids.filtered(lambda line: not line.applied and line.date == start).sudo().unlink()
        terms = {"price": price, "date": start}
        if planned.exists():
            terms |= {"product_id": planned.product_id.id, "quantity": planned.quantity}
        self.env["astpp.subscription.line"].sudo().create(self._line_vals(**terms))

    @ours
    def _apply_changes(self, now):
        """Apply planned terms that are due in the middle of a period.

        Terms due on the first day of a period are applied by its renewal. Several terms of one subscription are
        applied one after the other, because each refunds what the previous one charged.
        """
        active = self.filtered(lambda s: s.state == "active")
        while due := [line for subscription in active if (line := subscription._next_change(now))]:
            entries = [entry for line in due for entry in line.subscription_id._change_now(line)]
            active._add_charges(entries)

    def _next_change(self, now):
        """Return the next planned terms that are due in the running period, or an empty recordset."""
        self.ensure_one()
        return self.line_ids.filtered(
            lambda line: (not line.applied and line.date <= now and (not self.next_date or line.date < self.next_date))
        )._in_order()[:1]

    def _change_now(self, line):
        """Apply one line of terms; return the credit and the charge for the rest of the period, if it is prorated."""
        self.ensure_one()
        prorated = self.product_id.astpp_prorate and self.next_date
        unused = self._unused_entry(line.date) if prorated else None
        self.allowance_ids._close(line.date)
        line._apply()
        entries = [unused] if unused else []
        if prorated and self.next_date > line.date:
            share = share_of_period(
                line.date, self.next_date, self.period_unit, self.period_count, self.anchor_day, self.account_id.tz
            )
            rest = self._entry("rest", self._amount(share), line.date, self.next_date)
            entries.append(rest | {"key": f"{rest['key']}/{line.id}"})
            self._open_allowances(line.date, share)
        else:
            self._open_allowances(line.date, Decimal(1))
        return entries
