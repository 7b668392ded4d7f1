from odoo import api, fields, models
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
        string="Usage Set Free", readonly=True, copy=False, help="A credit note set the usage of this invoice free."
    )
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
