from decimal import Decimal

from odoo import models
from odoo.exceptions import UserError
from odoo.fields import Command

from ..astpp_guard_mixin import ours


class AccountMove(models.Model):
    """Credit notes of single calls and charges: one for each invoice that bills them."""

    _inherit = "account.move"

    @ours
    def _astpp_credit_lines(self, usage, date, reason, again):
        """Create draft credit notes for single lines of usage that these posted invoices bill.

        From then on no other credit note can credit them; deleting or cancelling the draft takes that back.

        :param usage: ``astpp.usage``
        :param date: of the credit notes
        :param reason: text for the customer
        :param again: bill the usage again once the credit note is posted
        :return: the credit notes
        :raise UserError: when some of the usage cannot be credited, or an invoice's part is not positive
        """
        usage._check_creditable()
        by_line = usage._set_apart().grouped("move_line_id")
        before = self.env["astpp.usage"]._credited_before(self.env["account.move.line"].union(*by_line))
        credited, vals_list = [], []
        for invoice in self.union(*(line.move_id for line in by_line)):
            lines = invoice.line_ids.filtered(lambda line: line in by_line)
            line_vals = invoice._astpp_credit_vals(lines, by_line, before)
            if invoice.currency_id.compare_amounts(sum(vals["price_unit"] for vals in line_vals), 0) <= 0:
                raise UserError(
                    self.env._("What was chosen of %s comes to nothing that could be credited.", invoice.display_name)
                )
            credited.append(lines)
            vals_list.append(
                {
                    **invoice._astpp_credit_head(date, reason),
                    "astpp_releases_usage": again,
                    "astpp_credits_lines": True,
                    "invoice_line_ids": [Command.create(vals) for vals in line_vals],
                }
            )
        credit_notes = self.create(vals_list)
        self.env["astpp.usage"]._credit(
            [
                (total, new)
                for lines, note in zip(credited, credit_notes, strict=True)
                for line, new in zip(lines, note._astpp_product_lines(), strict=True)
                for total in by_line[line]
            ]
        )
        return credit_notes

    def _astpp_credit_head(self, date, reason):
        """Return the values of a credit note of this invoice, but for its lines."""
        return {
            "move_type": "out_refund",
            "reversed_entry_id": self.id,
            "company_id": self.company_id.id,
            "journal_id": self.journal_id.id,
            "partner_id": self.partner_id.id,
            "partner_shipping_id": self.partner_shipping_id.id,
            "fiscal_position_id": self.fiscal_position_id.id,
            "currency_id": self.currency_id.id,
            "invoice_date": date,
            "invoice_payment_term_id": False,
            "ref": self.env._("Reversal of: %(invoice)s, %(reason)s", invoice=self.name, reason=reason),
            **{
                name: self[name].id if self._fields[name].relational else self[name]
                for name in (
                    *("astpp_account_id", "astpp_issuer_id"),
                    *("astpp_period_start", "astpp_period_end", "astpp_rate"),
                )
            },
        }

    def _astpp_credit_vals(self, lines, by_line, before):
        """Return the values of the lines of a credit note, one for each of these lines of the invoice.

        Rounding is that of all that was credited of the line so far, so that parts add up to what was billed.

        :param by_line: {line: totals to credit}
        :param before: result of ``_credited_before``
        """
        language = self.with_context(lang=self.partner_id.lang or self.env.lang).env
        vals_list = []
        for line in lines:
            amount = sum((Decimal(str(total.amount)) for total in by_line[line]), Decimal(0))
            so_far = before.get(line.id, Decimal(0))
            rate = line.astpp_usage_rate or self.astpp_rate or 1.0
            up_to = [self.currency_id.round(float(value) * rate) for value in (so_far, so_far + amount)]
            vals_list.append(
                {
                    "sequence": line.sequence,
                    "product_id": line.product_id.id,
                    "name": language._(
                        "Credit for %(count)s of: %(line)s",
                        count=sum(by_line[line].mapped("lines")),
                        line=line.name,
                    ),
                    "quantity": 1,
                    "price_unit": self.currency_id.round(up_to[1] - up_to[0]),
                    "discount": line.discount,
                    # A flat tax is on an invoice once, whichever of its calls are credited.
                    "tax_ids": [Command.set(line.tax_ids.filtered(lambda tax: tax.amount_type != "fixed").ids)],
                    "account_id": line.account_id.id,
                    "analytic_distribution": line.analytic_distribution,
                    "astpp_usage_amount": -float(amount),
                    "astpp_usage_rate": rate,
                }
            )
        return vals_list

    def _astpp_confirm_credit_of_lines(self):
        """Take the credited lines out of force, now that this credit note is posted.

        :raise UserError: when more is credited than was invoiced
        """
        invoice = self.reversed_entry_id
        credited = invoice._astpp_credited_amount()
        # The taxes of each credit note are rounded.
        cents = invoice.currency_id.rounding * len(invoice.reversal_move_ids)
        if credited - invoice.amount_total > cents:
            raise UserError(
                self.env._(
                    "With %(credit)s, credit notes of %(invoice)s come to %(amount)s of %(total)s: correct or cancel one "
                    "of them.",
                    credit=self.display_name,
                    invoice=invoice.display_name,
                    amount=invoice.currency_id.format(credited),
                    total=invoice.currency_id.format(invoice.amount_total),
                )
            )
        self.env["astpp.usage"]._confirm_credit(self, self.astpp_releases_usage)
