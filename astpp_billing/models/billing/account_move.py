from odoo import api, fields, models
from odoo.fields import Domain

from ..astpp_guard_mixin import ours


class AccountMove(models.Model):
    """Invoices that bill usage: account, issuer, period and usage of an invoice."""

    _inherit = "account.move"

    astpp_account_id = fields.Many2one(
        "astpp.account",
        string="ASTPP Account",
        index="btree_not_null",
        domain="[('billing_company_id', '=', company_id)]",
        tracking=True,
    )
    astpp_issuer_id = fields.Many2one(
        "astpp.issuer",
        string="Issuer",
        index="btree_not_null",
        check_company=True,
        tracking=True,
        help="Its number series, name and address are used.",
    )
    astpp_run_id = fields.Many2one(
        "astpp.billing.run",
        string="Billing Run",
        index="btree_not_null",
        readonly=True,
        copy=False,
        ondelete="restrict",
    )
    astpp_period_start = fields.Datetime(string="Period Start", readonly=True)
    astpp_period_end = fields.Datetime(string="Period End", readonly=True)
    astpp_rate = fields.Float(
        string="Usage Rate", digits=0, readonly=True, help="Invoice currency for one unit of the server's currency."
    )
    astpp_releases_usage = fields.Boolean(
        string="Sets Usage Free",
        readonly=True,
        copy=False,
        help="When this credit note is confirmed, the usage of the credited invoice can be billed again.",
    )
    astpp_usage_released = fields.Boolean(
        string="Usage Set Free",
        readonly=True,
        copy=False,
        help="Credit notes set the usage of this invoice free, or another invoice bills it instead.",
    )
    astpp_credits_lines = fields.Boolean(
        string="Credits Single Lines",
        readonly=True,
        copy=False,
        help="This credit note credits single calls or charges of an invoice.",
    )
    # Restricted by groups: portal users may read invoices, but not the ledger that this is computed from.
    astpp_usage_count = fields.Integer(
        string="Usage Lines",
        compute="_compute_astpp_usage_count",
        groups="account.group_account_invoice,account.group_account_readonly",
    )

    def _compute_astpp_usage_count(self):
        totals = self.env["astpp.usage.total"]
        # What was credited and is billed again is on another invoice; a record of its sums is all that stays.
        again = Domain("state", "=", "credited") & Domain("credit_ids.move_id.astpp_releases_usage", "=", True)
        there = Domain("move_id", "in", self.ids) & ~again
        counts = dict(totals._read_group(there, ["move_id"], ["lines:sum"]))
        for move in self:
            move.astpp_usage_count = counts.get(move._origin, 0)

    def write(self, vals):
        res = super().write(vals)
        if {"invoice_date", "currency_id"} & vals.keys():
            self._astpp_convert_again()
        if vals.get("state") == "cancel":
            self._astpp_release_usage()
        return res

    @ours
    def _post(self, soft=True):
        if not self.env.context.get("astpp_settled_ids"):
            # Invoices posted before keep their amounts: the customer may already have received them.
            self.filtered(lambda move: not move.posted_before)._astpp_convert_again()
        posted = super()._post(soft)
        posted._astpp_post_credits()
        return posted

    def action_export_astpp_usage(self):
        """Download the charge history of the invoice."""
        self.ensure_one()
        url = f"/astpp_billing/charges.xlsx?move_id={self.id}"
        return {"type": "ir.actions.act_url", "url": url, "target": "download"}

    @api.onchange("astpp_account_id")
    def _onchange_astpp_account_id(self):
        if account := self.astpp_account_id:
            self.astpp_issuer_id = account.issuer_id
            self.partner_id = account._invoice_partner()

    def action_view_astpp_usage(self):
        """Open the charge history of the lines that these invoices bill."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_charge_history")
        return action | {"domain": list(self._astpp_usage_domain()), "context": {}}

    def _astpp_usage_domain(self):
        """Return the domain of the usage that these documents bill, or credit line by line."""
        if not any(self.mapped("astpp_credits_lines")):
            return Domain("move_id", "in", self.ids)
        # sudo: customers read their documents, and have no access to totals.
        totals = self.env["astpp.usage.total"].sudo().search([("move_id", "in", self.ids)])
        return Domain("total_id", "in", (totals | totals.credited_id).ids)
