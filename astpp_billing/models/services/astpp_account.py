from odoo import fields, models


class AstppAccount(models.Model):
    """An account's subscriptions and DIDs."""

    _inherit = "astpp.account"

    subscription_ids = fields.One2many("astpp.subscription", "account_id", string="Subscriptions")
    subscription_count = fields.Integer(compute="_compute_subscription_count")
    did_ids = fields.One2many("astpp.did", "account_id", string="DIDs")

    def _compute_subscription_count(self):
        counts = dict(
            self.env["astpp.subscription"]._read_group(
                [("account_id", "in", self.ids), ("state", "!=", "terminated")], ["account_id"], ["__count"]
            )
        )
        for account in self:
            account.subscription_count = counts.get(account, 0)

    def action_view_subscriptions(self):
        """Open the subscriptions of the accounts."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_subscription")
        context = {"default_account_id": self.id} if len(self) == 1 else {}
        return action | {"domain": [("account_id", "in", self.ids)], "context": context}
