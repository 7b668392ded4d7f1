from collections import defaultdict

from odoo import fields, models
from odoo.fields import Domain


class AstppAccount(models.Model):
    """What an account has ordered, and what it may still spend."""

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

    def _funds_left(self):
        """Return {account: funds}: what ASTPP said last, and what it has not heard of yet.

        Amounts in the server's base currency. What is not written is made in ASTPP by hand: it counts until ASTPP is
        asked the next time, and for ever where nobody asks.
        """
        queued = Domain("state", "in", ("waiting", "failed"))
        noted = Domain("state", "=", "off")
        # The settings are not for everyone who may see funds.
        for server in self.sudo().server_id:
            others = Domain("server_id", "!=", server.id)
            if server.write_from:
                queued &= others | Domain("create_date", ">=", server.write_from)
            if asked := server._funds_date():
                noted &= others | Domain("create_date", ">", asked)
        unheard = Domain("account_id", "in", self.ids) & (queued | noted)
        waiting = dict(self.env["astpp.outbox"].sudo()._read_group(unheard, ["account_id"], ["amount:sum"]))
        return defaultdict(float, {each: each.available_funds + waiting.get(each.sudo(), 0.0) for each in self})

    def action_view_subscriptions(self):
        """Open the subscriptions of the accounts."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_subscription")
        context = {"default_account_id": self.id} if len(self) == 1 else {}
        return action | {"domain": [("account_id", "in", self.ids)], "context": context}
