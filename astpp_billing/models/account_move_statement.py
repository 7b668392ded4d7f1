from collections import defaultdict

from odoo import models


class AccountMove(models.Model):
    """What a customer owes an issuer in all, on his documents and before he is reminded."""

    _inherit = "account.move"

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
