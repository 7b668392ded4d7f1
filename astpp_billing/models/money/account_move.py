from odoo import models


class AccountMove(models.Model):
    """Credit the account when a top-up's invoice is paid; take the credit back when the invoice is credited."""

    _inherit = "account.move"

    def _astpp_topups(self):
        # sudo: whoever registers a payment may have no access to top-ups. Invoices of billing runs are never top-ups.
        ours = self.filtered(lambda move: move.astpp_account_id and not move.astpp_run_id)
        topups = self.env["astpp.topup"].sudo()
        return topups.search([("move_id", "in", ours.ids)]) if ours else topups

    def _invoice_paid_hook(self):
        res = super()._invoice_paid_hook()
        paid = self.filtered(lambda move: move.payment_state in ("paid", "in_payment"))
        paid._astpp_topups()._credit()
        return res

    def _post(self, soft=True):
        posted = super()._post(soft)
        credit_notes = posted.filtered(lambda move: move.move_type == "out_refund" and move.reversed_entry_id)
        for topup in credit_notes.reversed_entry_id._astpp_topups():
            for credit_note in credit_notes.filtered(lambda move, t=topup: move.reversed_entry_id == t.move_id):
                topup._take_back(credit_note)
        return posted
