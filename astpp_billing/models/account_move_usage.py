from odoo import models
from odoo.exceptions import UserError


class AccountMove(models.Model):
    """What becomes of an invoice's usage when the invoice is cancelled, deleted or credited.

    Reset to draft keeps it. Cancelled or deleted sets it free. A credit note keeps it, unless the
    accountant chose to have it billed again.
    """

    _inherit = "account.move"

    def write(self, vals):
        res = super().write(vals)
        if vals.get("state") == "cancel":
            self._astpp_release_usage()
        return res

    def unlink(self):
        self._astpp_release_usage()
        return super().unlink()

    def button_draft(self):
        if gone := self.filtered(lambda move: move.state == "cancel" and move.astpp_run_id):
            raise UserError(
                self.env._(
                    "The usage of %s was set free when it was cancelled and may be on another invoice by now. "
                    "Run billing for the account instead.",
                    ", ".join(move.display_name for move in gone),
                )
            )
        if free := self.filtered(lambda move: move.astpp_releases_usage or move.astpp_usage_released):
            raise UserError(
                self.env._(
                    "%s cannot be reset to draft: the usage was set free by the credit note and may be on another "
                    "invoice by now.",
                    ", ".join(move.display_name for move in free),
                )
            )
        return super().button_draft()

    def _post(self, soft=True):
        posted = super()._post(soft)
        for credit in posted.filtered("astpp_releases_usage"):
            credit._astpp_release_credited()
        return posted

    def _astpp_release_credited(self):
        """Set the usage of the invoice that this credit note credits free."""
        invoice = self.reversed_entry_id
        if self.currency_id.compare_amounts(self.amount_total, invoice.amount_total):
            raise UserError(
                self.env._(
                    "%(credit)s credits %(amount)s of %(total)s: usage is billed again only when the whole invoice is "
                    "credited. Correct the amount, or make a credit note that keeps the usage.",
                    credit=self.display_name,
                    amount=self.currency_id.format(self.amount_total),
                    total=self.currency_id.format(invoice.amount_total),
                )
            )
        invoice._astpp_release_usage()
        invoice.astpp_usage_released = True

    def _astpp_release_usage(self):
        """Set the usage of these invoices free and let their period be billed again."""
        billed = self.filtered(
            lambda move: move.astpp_run_id
            or move.astpp_recognition_month
            or (move.is_purchase_document() and move.invoice_line_ids.filtered("astpp_usage_amount"))
        )
        if not billed:
            return
        billed.line_ids._astpp_release_usage()
        # Accountants may cancel invoices; the period's mark is the billing run's.
        results = self.env["astpp.billing.result"].sudo().search([("move_id", "in", billed.ids)])
        for result in results.sorted("period_end", reverse=True):
            account = result.account_id
            if account.billed_until == result.period_end:
                account.write({"billed_until": result.period_start, "final_date": False})
