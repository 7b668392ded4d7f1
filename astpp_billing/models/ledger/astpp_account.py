from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL


class AstppAccount(models.Model):
    """An account's usage, kept in step with the account's customer and issuer."""

    _inherit = "astpp.account"

    usage_ids = fields.One2many("astpp.usage", "account_id")
    usage_count = fields.Integer(compute="_compute_usage_count")
    unbilled_amount = fields.Monetary(
        compute="_compute_unbilled_amount", currency_field="usage_currency_id", help="Usage that is on no invoice yet."
    )

    def _compute_usage_count(self):
        totals = self.env["astpp.usage.total"]
        counts = dict(totals._read_group([("account_id", "in", self.ids)], ["account_id"], ["lines:sum"]))
        for account in self:
            account.usage_count = counts.get(account, 0)

    @api.depends("payment_mode")
    def _compute_unbilled_amount(self):
        amounts = dict(
            self.env["astpp.usage.total"]._read_group(
                [("state", "=", "open"), ("account_id", "in", self.ids)], ["account_id"], ["amount:sum"]
            )
        )
        for account in self:
            account.unbilled_amount = amounts.get(account, 0.0)

    @api.model_create_multi
    def create(self, vals_list):
        accounts = super().create(vals_list)
        accounts._adopt_usage()
        return accounts

    def write(self, vals):
        res = super().write(vals)
        if {"partner_id", "parent_id"} & vals.keys():
            self._denormalise_usage()
        if {"number", "astpp_id"} & vals.keys():
            self._adopt_usage()
        return res

    def _adopt_usage(self):
        """Assign waiting usage to these accounts, unless the caller does so later for all accounts at once."""
        if not self.env.context.get("astpp_adopt_later"):
            self.env["astpp.usage"]._adopt(self)

    def _denormalise_usage(self):
        """Update the customer and issuer of usage, including accounts below: a moved reseller changes their issuer."""
        self.env["astpp.usage"]._follow(self.with_context(active_test=False).search([("id", "child_of", self.ids)]))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        if self.sudo().move_ids or self.env["astpp.usage"].sudo().search_count(
            [("account_id", "in", self.ids)], limit=1
        ):
            raise UserError(self.env._("Accounts with usage or invoices cannot be deleted. Set them to Closed."))

    def unlink(self):
        self.check_access("unlink")
        # Totals that lost all their usage are nobody's evidence.
        self.env.cr.execute(
            SQL(
                "DELETE FROM astpp_usage_total WHERE account_id = ANY(%s) AND lines = 0 AND move_line_id IS NULL",
                self.ids,
            )
        )
        return super().unlink()

    def action_view_usage(self):
        """Open the charge history of the accounts."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_charge_history")
        return action | {"domain": [("account_id", "in", self.ids)], "context": {}}
