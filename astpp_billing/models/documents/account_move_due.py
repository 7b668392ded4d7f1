from odoo import fields, models


class AccountMove(models.Model):
    """What is due of an invoice, and when: its instalments, as a reminder tells them."""

    _inherit = "account.move"

    def _astpp_open_instalments(self):
        """Return the open receivable lines, up to the day that a reminder is about if the context names one."""
        self.ensure_one()
        until = fields.Date.to_date(self.env.context.get("astpp_due_until") or "9999-12-31")
        # sudo: customers who read the mail have no access to journal items.
        lines = self.sudo().line_ids.filtered(
            lambda line: line.account_type == "asset_receivable" and line.amount_residual > 0
        )
        return lines.filtered(lambda line: (line.date_maturity or line.date) <= until)

    def _astpp_amount_due(self):
        """Return the open amount of the instalments that are due, in the invoice's currency."""
        lines = self._astpp_open_instalments()
        return sum(lines.mapped("amount_residual_currency")) if lines else self.amount_residual

    def _astpp_due_day(self):
        """Return the day on which the oldest of these instalments is due, or was."""
        days = [line.date_maturity for line in self._astpp_open_instalments() if line.date_maturity]
        return min(days, default=self.invoice_date_due)
