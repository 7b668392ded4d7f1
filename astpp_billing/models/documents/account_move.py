import base64

from reportlab.graphics import renderSVG
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing

from odoo import fields, models
from odoo.fields import Domain

from ...charge_types import CALLS

# Charges listed on an invoice at most.
MOST_CHARGES = 200
# Calls listed in the PDF at most; a longer list goes out as a file.
MOST_CALLS = 2000


class AccountMove(models.Model):
    """Data for the printed invoice beyond Odoo's own: usage, services, balance, brand."""

    _inherit = "account.move"

    def _astpp_shown(self, line):
        """Return a line's amount as the document shows it: with or without taxes, by the company's setting."""
        return line.price_total if self.company_price_include == "tax_included" else line.price_subtotal

    def _astpp_period_dates(self):
        """Return the first and last day of the period in the account's time zone, or None."""
        self.ensure_one()
        if not self.astpp_period_end or not self.astpp_account_id:
            return None
        return self.astpp_account_id.sudo()._local_dates(self.astpp_period_start, self.astpp_period_end)

    def _astpp_report_company(self):
        """Return the company whose name and address appear in the document's header: see ``_report_company``."""
        self.ensure_one()
        return self.astpp_issuer_id.sudo()._report_company(self.company_id.sudo())

    def _astpp_brand_color(self):
        """Return the colour of headings in a reseller's document, or False for the operator's company colours."""
        self.ensure_one()
        # sudo: whoever may see the document may see its colour.
        issuer = self.astpp_issuer_id.sudo()
        return issuer.account_id and issuer.brand_color

    def _compute_display_link_qr_code(self):
        """Hide Odoo's QR code on our invoices: they print a payment code of their own."""
        res = super()._compute_display_link_qr_code()
        self.filtered("astpp_account_id").display_link_qr_code = False
        return res

    def _astpp_payment_code(self):
        """Return the payment link as a QR code: an SVG image in a data URI.

        Not Odoo's bitmap, because drawing it needs a library that many systems do not have.
        """
        self.ensure_one()
        widget = QrCodeWidget(self._get_portal_payment_link(), barLevel="M")
        left, bottom, right, top = widget.getBounds()
        drawing = Drawing(right - left, top - bottom)
        drawing.add(widget)
        image = renderSVG.drawToString(drawing).encode()
        return f"data:image/svg+xml;base64,{base64.b64encode(image).decode()}"

    def _astpp_charges(self):
        """Return the invoice's charges other than calls, by date, as usage lines; at most ``MOST_CHARGES``."""
        self.ensure_one()
        return (
            self.env["astpp.usage"]
            .sudo()
            .search(
                self._astpp_usage_domain() & Domain([("charge_type", "not in", CALLS), ("amount", "!=", 0)]),
                order="date, id",
                limit=MOST_CHARGES,
            )
        )

    def _astpp_allowances(self):
        """Return the allowances of included minutes that were valid in the invoice's period."""
        self.ensure_one()
        start, end = self.astpp_period_start, self.astpp_period_end
        if not start or not end:
            return self.env["astpp.allowance"]
        accounts = self.env["astpp.billing.result"].sudo().search([("move_id", "=", self.id)]).account_id
        return (
            self.env["astpp.allowance"]
            .sudo()
            .search(
                [
                    *[("account_id", "in", accounts.ids), ("period_start", "<", end), ("included_minutes", ">", 0)],
                    *["|", ("period_end", "=", False), ("period_end", ">", start)],
                ],
                order="period_start, id",
            )
        )

    def _astpp_call_list(self):
        """Return the calls for the annex, by account and date; None if not wanted, empty or too long."""
        self.ensure_one()
        if self._astpp_call_list_kind() != "annex":
            return None
        usage = self.env["astpp.usage"].sudo()
        domain = self._astpp_usage_domain() & Domain("charge_type", "in", CALLS)
        if not self.astpp_credits_lines:
            domain &= Domain("duration", ">", 0)
        if not 0 < usage.search_count(domain, limit=MOST_CALLS + 1) <= MOST_CALLS:
            return None
        return usage.search(domain, order="account_id, date, id")

    def _astpp_call_list_kind(self):
        """Return how the customer receives the list of calls: none, annex or file; a credit of single calls names them."""
        if self.astpp_credits_lines:
            return "annex"
        account = self.sudo().astpp_account_id
        return account.call_list if account.call_list != "issuer" else self.sudo().astpp_issuer_id.call_list

    def _astpp_local(self, moment, account=None):
        """Return a datetime in the account's time zone, for printing."""
        account = (account or self.astpp_account_id).sudo()
        return fields.Datetime.context_timestamp(self.with_context(tz=account.tz or "UTC"), moment)
