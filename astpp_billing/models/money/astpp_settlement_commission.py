from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL

from ...billing_cycle import midnight
from ..ledger.usage_state import UNBILLED

AMOUNTS = ("invoiced_amount", "paid_amount", "owed_amount", "wholesale_amount", "net_amount")


class AstppSettlement(models.Model):
    """Settle commissions: what a reseller's customers were invoiced, and what the reseller earned by it."""

    _inherit = "astpp.settlement"

    usage_amount = fields.Float(
        string="Commissions in the Server's Currency", digits=(20, 6), compute="_compute_usage_amount"
    )

    def _commission_domain(self):
        """Return the domain of unsettled commissions up to the settlement's date."""
        self.ensure_one()
        return UNBILLED.domain & Domain(
            [
                *[("account_id", "=", self.account_id.id), ("charge_type", "=", "commission")],
                ("date", "<", self._commissions_end()),
            ]
        )

    def _commissions_end(self):
        """Return the end of the settlement's last day in the reseller's time zone, as naive UTC."""
        self.ensure_one()
        last_day = (self.date or fields.Date.today()) + timedelta(days=1)
        return midnight(last_day, self.account_id.tz or "UTC").replace(tzinfo=None)

    @api.depends("kind", "account_id", "date", "bill_id", "state")
    def _compute_usage_amount(self):
        usage = self.env["astpp.usage"]
        for settlement in self:
            domain = settlement._commission_domain()
            if settlement.bill_id:
                domain = Domain("move_id", "=", settlement.bill_id.id)
            [(amount,)] = usage._read_group(domain, [], ["amount:sum"]) if settlement.kind == "commission" else [(0,)]
            settlement.usage_amount = -(amount or 0.0)

    def _set_commission_amounts(self):
        for settlement in self:
            if not settlement.account_id:
                # A form that is still being filled in.
                settlement.update(dict.fromkeys(AMOUNTS, 0.0))
                continue
            invoiced = self.env["account.move"].search(settlement._invoiced_domain())
            settlement.invoiced_amount = sum(invoiced.mapped("amount_total_signed"))
            settlement.paid_amount = settlement.invoiced_amount - sum(invoiced.mapped("amount_residual_signed"))
            settlement.owed_amount = settlement.currency_id.round(settlement.usage_amount * settlement._rate())
            settlement.wholesale_amount = settlement._open_amount()
            settlement.net_amount = settlement.owed_amount - settlement.wholesale_amount

    def _invoiced_domain(self):
        """Return the domain of documents to the reseller's customers since the previous settlement."""
        self.ensure_one()
        before = self.search(
            [
                *[("kind", "=", "commission"), ("account_id", "=", self.account_id.id), ("state", "=", "done")],
                *[("date", "<", self.date), ("id", "!=", self._origin.id)],
            ],
            order="date desc",
            limit=1,
        )
        domain = Domain(
            [
                *[("astpp_account_id.parent_id", "=", self.account_id.id), ("state", "=", "posted")],
                *[("move_type", "in", ("out_invoice", "out_refund")), ("invoice_date", "<=", self.date)],
            ]
        )
        return domain & Domain("invoice_date", ">", before.date) if before else domain

    def _rate(self):
        """Return the rate from the server's currency to the company's on the settlement's date."""
        self.ensure_one()
        base = self.account_id.server_id.currency_id
        return self.env["res.currency"]._get_conversion_rate(base, self.currency_id, self.company_id, self.date)

    def _settle_commission(self):
        """Create the vendor bill for the commissions, and link their usage to it as to an invoice."""
        self.check_access("write")
        if self.state != "draft":
            raise UserError(self.env._("This settlement is done."))
        usage = self.env["astpp.usage"]
        groups = usage._sum_unbilled(
            "account_id",
            {self.account_id.id: (None, self._commissions_end())},
            by=("charge_type",),
            where=SQL("t.charge_type = 'commission'"),
        )
        amount, rate = -float(sum(group["amount"] for group in groups)), self._rate()
        if self.currency_id.is_zero(amount * rate):
            raise UserError(self.env._("Nothing is owed: no commission waits to be settled."))
        line = {
            "product_id": self.account_id.server_id.charge_product_id.id,
            "name": self.name,
            "quantity": 1,
            "price_unit": self.currency_id.round(abs(amount) * rate),
            "astpp_usage_amount": -amount,
        }
        self._make_bill(amount, [line], astpp_rate=rate)
        usage._bill([(group, self.bill_id.invoice_line_ids) for group in groups])
