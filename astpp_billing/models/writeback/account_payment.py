from odoo import models


class AccountPayment(models.Model):
    """Payments without a journal entry settle invoices through their status alone."""

    _inherit = "account.payment"

    def write(self, vals):
        res = super().write(vals)
        if "state" in vals:
            self.filtered(lambda payment: not payment.move_id).invoice_ids._astpp_queue_payments()
        return res
