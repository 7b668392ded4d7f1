import base64
from collections import defaultdict
from decimal import Decimal

from reportlab.graphics import renderSVG
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing

from odoo import fields, models
from odoo.tools import SQL

from .astpp_usage import CALL_TYPES

# Destinations and charges listed on an invoice; what is beyond goes into one line.
MOST_DESTINATIONS = 40
MOST_CHARGES = 200
# Calls listed in the PDF; more of them come as a file.
MOST_CALLS = 2000


class AccountMove(models.Model):
    """What the printed invoice says beyond Odoo's own: usage, services, balance, brand."""

    _inherit = "account.move"

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
                    "is_call": charge_type in CALL_TYPES,
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

    def _astpp_brand_color(self):
        """Return the colour of a reseller's headings, or False: the operator's are the company's."""
        self.ensure_one()
        # Whoever may see the document may see its colour.
        issuer = self.astpp_issuer_id.sudo()
        return issuer.account_id and issuer.brand_color

    def _compute_display_link_qr_code(self):
        """Ours have a payment code of their own, without Odoo's sign in it."""
        res = super()._compute_display_link_qr_code()
        self.filtered("astpp_account_id").display_link_qr_code = False
        return res

    def _astpp_payment_code(self):
        """Return the payment link as a QR code: an SVG image as data URI.

        Odoo draws its own as a bitmap, which needs a library that many systems do not have.
        """
        self.ensure_one()
        widget = QrCodeWidget(self._get_portal_payment_link(), barLevel="M")
        left, bottom, right, top = widget.getBounds()
        drawing = Drawing(right - left, top - bottom)
        drawing.add(widget)
        image = renderSVG.drawToString(drawing).encode()
        return f"data:image/svg+xml;base64,{base64.b64encode(image).decode()}"

    def _astpp_destinations(self):
        """Sum the calls by direction and destination, the dearest first.

        :return: list of dicts with ``destination``, ``direction``, ``calls``, ``minutes`` ("m:ss") and
            ``amount`` (invoice currency), which add up to the invoice's lines for calls
        """
        self.ensure_one()
        usage = self.env["astpp.usage"].sudo()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT COALESCE(destination, ''), direction, count(*), sum(duration)::bigint, sum(amount)
                  FROM astpp_usage WHERE move_id = %s AND charge_type IN %s AND (duration > 0 OR amount <> 0)
              GROUP BY 1, 2 ORDER BY 5 DESC, 3 DESC, 1
                """,
                self.id,
                CALL_TYPES,
            )
        )
        directions = dict(usage._fields["direction"]._description_selection(self.env))
        listed, rest = rows[:MOST_DESTINATIONS], rows[MOST_DESTINATIONS:]
        if rest:
            others = [sum(row[column] for row in rest) for column in (2, 3, 4)]
            listed.append((self.env._("Other destinations"), None, *others))
        amounts = self._astpp_split(self._astpp_call_total(), [row[4] for row in listed])
        return [
            {
                "destination": destination or "–",
                "direction": directions.get(direction, ""),
                "calls": calls,
                "minutes": f"{seconds // 60}:{seconds % 60:02d}",
                "amount": amount,
            }
            for (destination, direction, calls, seconds, _exact), amount in zip(listed, amounts, strict=True)
        ]

    def _astpp_call_total(self):
        """Return what the invoice's lines for calls come to, untaxed."""
        lines = self.env.execute_query(
            SQL(
                "SELECT DISTINCT move_line_id FROM astpp_usage WHERE move_id = %s AND charge_type IN %s",
                self.id,
                CALL_TYPES,
            )
        )
        return sum(self.env["account.move.line"].browse(key for (key,) in lines).mapped("price_subtotal"))

    def _astpp_split(self, total, exact):
        """Round exact amounts to the invoice's currency so that they add up to a total.

        The largest one takes the cents that rounding leaves.
        """
        rate = Decimal(str(self.astpp_rate or 1)) * (-1 if self.move_type == "out_refund" else 1)
        amounts = [self.currency_id.round(float(Decimal(str(amount)) * rate)) for amount in exact]
        if amounts:
            largest = max(range(len(amounts)), key=lambda index: abs(amounts[index]))
            amounts[largest] = self.currency_id.round(amounts[largest] + total - sum(amounts))
        return amounts

    def _astpp_charges(self):
        """Return the charges that are no calls, by date, as usage lines; the first ``MOST_CHARGES``."""
        self.ensure_one()
        return (
            self.env["astpp.usage"]
            .sudo()
            .search(
                [("move_id", "=", self.id), ("charge_type", "not in", CALL_TYPES), ("amount", "!=", 0)],
                order="date, id",
                limit=MOST_CHARGES,
            )
        )

    def _astpp_allowances(self):
        """Return the included minutes that ran in the invoice's period."""
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

    def _astpp_statement(self):
        """Return the customer's open items of this issuer beside this invoice, or None without any.

        :return: dict of amounts in the invoice's currency: ``before`` (open from earlier documents),
            ``paid`` (payments since the one before), ``this`` (open of this one), ``due`` (in all)
        """
        self.ensure_one()
        if self.move_type != "out_invoice" or self.state != "posted":
            return None
        others = self.sudo().search(
            [
                *[("astpp_issuer_id", "=", self.astpp_issuer_id.id), ("id", "!=", self.id), ("state", "=", "posted")],
                *[
                    ("commercial_partner_id", "=", self.commercial_partner_id.id),
                    ("move_type", "in", ("out_invoice", "out_refund")),
                ],
                ("invoice_date", "<=", self.invoice_date),
            ],
            order="invoice_date desc, id desc",
        )
        if not others:
            return None
        totals = defaultdict(float)
        for move in others:
            sign = -1 if move.move_type == "out_refund" else 1
            totals["before"] += move.currency_id._convert(
                sign * move.amount_residual, self.currency_id, self.company_id, self.invoice_date
            )
        payments = (
            self.env["account.payment"]
            .sudo()
            .search(
                [
                    *[
                        ("partner_id", "child_of", self.commercial_partner_id.id),
                        ("company_id", "=", self.company_id.id),
                    ],
                    *[("payment_type", "=", "inbound"), ("state", "in", ("in_process", "paid"))],
                    *[("date", ">=", others[0].invoice_date), ("date", "<=", self.invoice_date)],
                ]
            )
        )
        # What the customer paid for other issuers' invoices is no business of this one.
        for payment in payments.filtered(
            lambda payment: self.astpp_issuer_id in payment.reconciled_invoice_ids.astpp_issuer_id
        ):
            totals["paid"] += payment.currency_id._convert(
                payment.amount, self.currency_id, self.company_id, payment.date
            )
        totals["this"] = self.amount_residual
        totals["due"] = totals["before"] + self.amount_residual
        return {name: self.currency_id.round(totals[name]) for name in ("before", "paid", "this", "due")}

    def _astpp_call_list(self):
        """Return the calls for the annex, by account and date, or None when it is not wanted or too long."""
        self.ensure_one()
        if self._astpp_call_list_kind() != "annex":
            return None
        usage = self.env["astpp.usage"].sudo()
        domain = [("move_id", "=", self.id), ("charge_type", "in", CALL_TYPES), ("duration", ">", 0)]
        if not 0 < usage.search_count(domain, limit=MOST_CALLS + 1) <= MOST_CALLS:
            return None
        return usage.search(domain, order="account_id, date, id")

    def _astpp_call_list_kind(self):
        """Return how the customer gets his calls: none, annex or file."""
        account = self.sudo().astpp_account_id
        return account.call_list if account.call_list != "issuer" else self.sudo().astpp_issuer_id.call_list

    def _astpp_local(self, moment, account=None):
        """Return a moment in the account's zone, for printing."""
        account = (account or self.astpp_account_id).sudo()
        return fields.Datetime.context_timestamp(self.with_context(tz=account.tz or "UTC"), moment)
