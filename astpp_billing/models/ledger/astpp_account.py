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

    elsewhere_amount = fields.Monetary(
        string="Billed Elsewhere",
        compute="_compute_unbilled_amount",
        currency_field="usage_currency_id",
        help="Usage that somebody else invoiced: it is on no invoice here.",
    )

    def _compute_usage_count(self):
        totals = self.env["astpp.usage.total"]
        counts = dict(totals._read_group([("account_id", "in", self.ids)], ["account_id"], ["lines:sum"]))
        for account in self:
            account.usage_count = counts.get(account, 0)

    @api.depends("payment_mode")
    def _compute_unbilled_amount(self):
        rows = self.env["astpp.usage.total"]._read_group(
            [("state", "in", ("open", "elsewhere")), ("account_id", "in", self.ids)],
            ["account_id", "state"],
            ["amount:sum"],
        )
        amounts = {(account, state): amount for account, state, amount in rows}
        for account in self:
            account.unbilled_amount = amounts.get((account, "open"), 0.0)
            account.elsewhere_amount = amounts.get((account, "elsewhere"), 0.0)

    @api.model_create_multi
    def create(self, vals_list):
        accounts = super().create(vals_list)
        accounts._keep_terms()
        taken_over = [
            account.id
            for account, vals in zip(accounts, vals_list, strict=True)
            if vals.get("billed_until") and account.payment_mode == "postpaid"
        ]
        self.browse(taken_over)._bill_elsewhere_until()
        accounts._adopt_usage()
        return accounts

    def write(self, vals):
        res = super().write(vals)
        if {"partner_id", "parent_id", "payment_mode"} & vals.keys() and not self.env.context.get("astpp_terms_kept"):
            accounts = self._below() if "parent_id" in vals else self
            since = accounts._keep_terms()
            self.env["astpp.usage"]._reterm(accounts, since)
        if "billed_until" in vals and not self.env.context.get("astpp_billed"):
            self._take_over()
        if {"number", "astpp_id"} & vals.keys():
            self._adopt_usage()
        return res

    def _take_over(self):
        """Usage before a ``billed_until`` that is set by hand was billed elsewhere, while Odoo has not billed here yet."""
        billed = (
            self.env["astpp.usage.total"]
            .sudo()
            ._read_group([("account_id", "in", self.ids), ("move_id", "!=", False)], ["account_id"])
        )
        accounts = self.filtered("billed_until") - self.browse().union(*(account for (account,) in billed))
        accounts = accounts.filtered(lambda account: account.payment_mode == "postpaid")
        accounts._bill_elsewhere_until()
        self.env["astpp.usage"]._reterm(accounts)

    def _adopt_usage(self):
        """Assign usage that waits for these accounts, unless the caller does so after creating all accounts."""
        if not self.env.context.get("astpp_adopt_later"):
            self.env["astpp.usage"]._adopt(self)

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
