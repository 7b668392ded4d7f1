from odoo import models
from odoo.fields import Domain

# Invoices that are compared, this one among them, and the height in pixels of the largest one's bar.
MOST_MONTHS = 6
HEIGHT = 46


class AccountMove(models.Model):
    """What an account was invoiced in the months before, as a small chart on its invoice."""

    _inherit = "account.move"

    def _astpp_months(self):
        """Compare this invoice with those before it, of the same account, issuer and currency.

        :return: list of dicts, oldest first: ``date`` (of the period's end, else of the invoice), ``amount``, ``height`` of the
            bar in pixels, ``is_this``, and ``change`` against the one before in percent, None where there is none; empty
            when there is nothing to compare with
        """
        self.ensure_one()
        if self.move_type != "out_invoice" or self.state != "posted" or not self.astpp_period_end:
            return []
        domain = (
            Domain("astpp_account_id", "=", self.astpp_account_id.id)
            & Domain("astpp_issuer_id", "=", self.astpp_issuer_id.id)
            & Domain("currency_id", "=", self.currency_id.id)
            & Domain("move_type", "=", "out_invoice")
            & Domain("state", "=", "posted")
            & Domain("astpp_period_end", "<", self.astpp_period_end)
        )
        # sudo: who may read the invoice may see what the same account was invoiced before.
        before = self.sudo().search(domain, order="astpp_period_end desc, id desc", limit=MOST_MONTHS - 1)
        if not before:
            return []
        months, last = [], None
        most = max((before | self.sudo()).mapped("amount_total")) or 1.0
        for move in [*before[::-1], self]:
            days = move._astpp_period_dates()
            months.append(
                {
                    "date": days[1] if days else move.invoice_date,
                    "amount": move.amount_total,
                    "height": max(1, round(HEIGHT * move.amount_total / most)),
                    "is_this": move == self,
                    "change": round(100 * (move.amount_total - last) / last) if last else None,
                }
            )
            last = move.amount_total
        return months
