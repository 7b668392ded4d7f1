from decimal import ROUND_CEILING, Decimal

from odoo import models


class AstppSubscription(models.Model):
    """The included minutes of packages, period by period."""

    _inherit = "astpp.subscription"

    def _open_allowances(self, start=None, share=None):
        """Open the included minutes of the running period; those that are open stay.

        :param start: naive UTC, the period's start by default
        :param share: which part of the minutes; by default that of the price, as the first period may be a part of one
        """
        allowances = self.env["astpp.allowance"].sudo()
        packages = self.filtered(lambda s: s.free_minutes and s.start_date and s.state != "draft")
        known = {
            (allowance.subscription_id.id, allowance.period_start): allowance
            for allowance in allowances.search([("subscription_id", "in", packages.ids)])
        }
        vals_list = []
        for subscription in packages:
            begin = start or subscription.start_date
            part = subscription._share_of_period() if share is None else share
            minutes = Decimal(subscription.free_minutes * subscription.quantity) * part
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
