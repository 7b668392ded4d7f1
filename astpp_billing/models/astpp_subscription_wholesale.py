from odoo import models


class AstppSubscription(models.Model):
    """What a reseller pays for his customer's order: one order a level, ended together (ASTPP facts 4.2, 7.5)."""

    _inherit = "astpp.subscription"

    def _make_wholesale(self):
        """Create the orders of the resellers above, each at the price of the level above it.

        Resellers who work for a commission sell at their parent's price and pay nothing. Numbers are
        held by the reseller already, and charged to him by his own order.
        :return: the new subscriptions, drafts
        """
        made = self.browse()
        for subscription in self.filtered(lambda s: s.astpp_type != "did"):
            below, reseller = subscription, subscription.account_id.parent_id
            while reseller:
                if not reseller.commission_based:
                    above = self.create(
                        {
                            "account_id": reseller.id,
                            "product_id": subscription.product_id.id,
                            "quantity": subscription.quantity,
                            "sale_line_id": subscription.sale_line_id.id,
                        }
                    )
                    # The minutes are the customer's.
                    above.free_minutes = 0
                    below.wholesale_id = above
                    below = above
                    made |= above
                reseller = reseller.parent_id
        return made
