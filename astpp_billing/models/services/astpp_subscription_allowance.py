from decimal import ROUND_CEILING, Decimal

from odoo import models

from ...service_terms import at, whole_days


class AstppSubscription(models.Model):
    """Included minutes of packages, by period."""

    _inherit = "astpp.subscription"

    def _minutes_of_period(self):
        """Return the included minutes of a whole period: ASTPP gives its orders theirs once, not per piece (facts 2.6)."""
        self.ensure_one()
        return self.free_minutes * (1 if self.astpp_id else self.quantity)

    def _share_of_period(self, start=None):
        """Return the days from ``start`` (a local date) to the end of the running period, as a share of a whole one.

        :param start: by default the period's first day, as a first period may be short
        """
        self.ensure_one()
        timeline = self._timeline()
        period = self._running_period(timeline)
        if not period or period.end is None:
            return Decimal(1)
        whole = whole_days(at(timeline, period.start), period)
        return min(Decimal(1), Decimal((period.end - (start or period.start)).days) / whole)

    def _change_minutes(self, line):
        """Close the running minutes, and open those of terms that come into force inside the period.

        Terms that are charged by the day have their share of the minutes, others all of them at once.
        """
        self.ensure_one()
        self.allowance_ids._close(line.moment)
        self._open_allowances(line.moment, self._share_of_period(line.date) if line.prorate else Decimal(1))

    def _open_allowances(self, start=None, share=None):
        """Create the allowances of the running period, or update them if they exist.

        :param start: start of the allowances, naive UTC; by default that of the period
        :param share: share of the minutes, as Decimal; by default that of the price, as a first period may be short
        """
        allowances = self.env["astpp.allowance"].sudo()
        packages = self.filtered(lambda s: s.free_minutes and s.start_date and s.state != "draft")
        if not packages:
            return allowances
        known = {
            (allowance.subscription_id.id, allowance.period_start): allowance
            for allowance in allowances.search(
                [
                    ("subscription_id", "in", packages.ids),
                    ("period_start", ">=", start or min(packages.mapped("start_date"))),
                ]
            )
        }
        vals_list = []
        for subscription in packages:
            begin = start or subscription.start_date
            part = subscription._share_of_period() if share is None else share
            minutes = Decimal(subscription._minutes_of_period()) * part
            vals = {
                "product_id": subscription.product_id.id,
                "period_end": subscription.next_date,
                "included_minutes": int(minutes.to_integral_value(ROUND_CEILING)),
            }
            if allowance := known.get((subscription.id, begin)):
                allowance.write(vals)
            else:
                vals_list.append(vals | {"subscription_id": subscription.id, "period_start": begin})
        return allowances.create(vals_list)
