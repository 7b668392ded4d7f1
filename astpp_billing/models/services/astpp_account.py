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

    def write(self, vals):
        moved = self.filtered(lambda a: a.status != vals["status"]) if "status" in vals else self.browse()
        zones = {account: account.tz for account in self if "tz" in vals and account.tz != vals["tz"]}
        sold = self.filtered(lambda a: a.parent_id.id != vals["parent_id"]) if "parent_id" in vals else self.browse()
        res = super().write(vals)
        # sudo: as below.
        sold.sudo()._levels_move()
        for zone, accounts in self.filtered(zones.get).sudo().grouped(zones.get).items():
            accounts.subscription_ids.filtered(lambda order: order.state != "terminated")._keep_dates(zone)
        if moved:
            # sudo: whoever decides about an account may have no access to its orders.
            moved.sudo()._orders_follow()
        return res

    def _levels_move(self):
        """Let the resellers above these accounts, which have moved to them, pay for what runs below from today on."""
        below = self.search([("id", "child_of", self.ids)])
        running = [
            ("account_id", "in", below.ids),
            ("state", "in", ("active", "suspended")),
            ("start_date", "!=", False),
        ]
        orders = self.env["astpp.subscription"].search(running)._renewed_by_odoo()
        # The last order of each chain that belongs to what has moved; the orders above it are of the former resellers.
        last = orders.filtered(lambda order: order.wholesale_id.account_id not in below)
        last._try_each(lambda moving: moving._move_levels())

    def _orders_follow(self):
        """End, suspend or resume the orders that Odoo renews, as their accounts were closed, suspended or reactivated.

        An order that cannot follow does not keep its account from changing: the failure is noted on the order.
        """
        running = [("account_id", "in", self.ids), ("state", "in", ("active", "suspended"))]
        orders = self.env["astpp.subscription"].search(running)._renewed_by_odoo()
        self._clear_alert("reactivated")
        closed = orders.filtered(lambda order: order.account_id.status == "closed")
        reason = self.env["astpp.close.reason"]._own("account")
        closed._try_each(lambda ending: ending._terminate(reason))
        active = orders.filtered(lambda order: order.account_id.status == "suspended" and order.state == "active")
        active._try_each(lambda pausing: pausing._suspend())
        paused = orders.filtered(lambda order: order.account_id.status == "active" and order.paused_with_account)
        waiting = paused.filtered(lambda order: order.state == "suspended")
        own = waiting.filtered(lambda order: order.server_id.on_reactivation == "resume")
        own._try_each(lambda resuming: resuming._resume())
        for account, together in (waiting - own).grouped("account_id").items():
            account._raise_alert(
                "reactivated",
                self.env._("Active again: resume its subscriptions?"),
                ", ".join(together.mapped("name")),
            )

    def action_view_subscriptions(self):
        """Open the subscriptions of the accounts."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_subscription")
        context = {"default_account_id": self.id} if len(self) == 1 else {}
        return action | {"domain": [("account_id", "in", self.ids)], "context": context}
