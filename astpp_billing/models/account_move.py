from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL


class AccountMove(models.Model):
    """An invoice that bills usage: its account, issuer and period, and its usage."""

    _inherit = "account.move"

    astpp_account_id = fields.Many2one(
        "astpp.account", string="ASTPP Account", index="btree_not_null", check_company=True, tracking=True
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
    # Portal users read invoices, but have no access to the ledger that these are computed from.
    astpp_usage_count = fields.Integer(
        string="Usage Lines",
        compute="_compute_astpp_usage_count",
        groups="account.group_account_invoice,account.group_account_readonly",
    )

    def _compute_astpp_usage_count(self):
        counts = dict(self.env["astpp.usage"]._read_group([("move_id", "in", self.ids)], ["move_id"], ["__count"]))
        for move in self:
            move.astpp_usage_count = counts.get(move._origin, 0)

    @api.onchange("astpp_account_id")
    def _onchange_astpp_account_id(self):
        if account := self.astpp_account_id:
            self.astpp_issuer_id = account.issuer_id
            self.partner_id = account.partner_id

    def write(self, vals):
        res = super().write(vals)
        if vals.get("state") == "cancel":
            self._astpp_release_usage()
        return res

    def button_draft(self):
        if gone := self.filtered(lambda move: move.state == "cancel" and move.astpp_run_id):
            raise UserError(
                self.env._(
                    "The usage of %s was set free when it was cancelled and may be on another invoice by now. "
                    "Run billing for the account instead.",
                    ", ".join(move.display_name for move in gone),
                )
            )
        return super().button_draft()

    def unlink(self):
        self._astpp_release_usage()
        return super().unlink()

    def _astpp_release_usage(self):
        """Set the usage of these invoices free and let their period be billed again."""
        billed = self.filtered(lambda move: move.astpp_account_id and move.astpp_run_id)
        if not billed:
            return
        billed.line_ids._astpp_release_usage()
        for move in billed.sorted("astpp_period_end", reverse=True):
            # Accountants may cancel invoices; the period's mark is the billing run's.
            account = move.astpp_account_id.sudo()
            if account.billed_until == move.astpp_period_end:
                account.billed_until = move.astpp_period_start

    def action_view_astpp_usage(self):
        """Open the usage that the invoices bill."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_usage")
        return action | {"domain": [("move_id", "in", self.ids)], "context": {}}

    def _astpp_usage_summary(self):
        """Sum the invoice's usage by type and direction, for documents.

        :return: list of dicts with ``label``, ``calls``, ``minutes`` ("m:ss") and ``amount``
            (Monetary, invoice currency: that of the invoice line, so that the sums agree)
        """
        self.ensure_one()
        # Customers have no access to usage as such; the invoice they may read says which.
        usage = self.env["astpp.usage"].sudo()
        usage.flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT move_line_id, charge_type, direction,
                       count(*) FILTER (WHERE duration > 0 OR amount <> 0), COALESCE(sum(duration), 0)::bigint
                  FROM astpp_usage WHERE move_id = %s
              GROUP BY move_line_id, charge_type, direction
                """,
                self.id,
            )
        )
        types = dict(usage._fields["charge_type"]._description_selection(self.env))
        directions = dict(usage._fields["direction"]._description_selection(self.env))
        lines = {line.id: line for line in self.invoice_line_ids}
        summary = []
        for line_id, charge_type, direction, calls, seconds in rows:
            summary.append(
                {
                    "sequence": (lines[line_id].sequence, line_id),
                    "label": types[charge_type],
                    "direction": directions.get(direction, ""),
                    "calls": calls,
                    "minutes": f"{seconds // 60}:{seconds % 60:02d}",
                    "amount": lines[line_id].price_subtotal,
                }
            )
        return sorted(summary, key=lambda row: row["sequence"])

    def _astpp_period_dates(self):
        """Return the first and last day of the period in the account's zone, or None."""
        self.ensure_one()
        if not self.astpp_period_end or not self.astpp_account_id:
            return None
        return self.astpp_account_id.sudo()._local_dates(self.astpp_period_start, self.astpp_period_end)

    def _astpp_report_company(self):
        """Return the company whose name and address head the document.

        For a reseller it is an unsaved copy of the company with the reseller's brand: the
        layouts of Odoo's reports know companies only.
        """
        self.ensure_one()
        company = self.company_id.sudo()
        issuer = self.astpp_issuer_id.sudo()
        if not issuer.account_id:
            return company
        partner = issuer.partner_id
        return company.new(
            {
                "name": issuer.name,
                "partner_id": partner.id,
                "logo": partner.image_1920 or False,
                "report_header": False,
                "company_details": issuer._address_block(),
                "report_footer": issuer.invoice_note,
                "vat": partner.vat,
            },
            origin=company,
        )
