from odoo import fields, models


class AccountJournal(models.Model):
    _inherit = "account.journal"

    astpp_has_series = fields.Boolean(
        string="Has Issuer Numbers",
        readonly=True,
        copy=False,
        help="Invoices of this journal have numbers of an issuer's series.",
    )

    def _astpp_hold_series(self):
        """Mark these journals as holding moves numbered in an issuer's series, writing only those not marked yet."""
        # sudo: users who post invoices may not have the right to change journals.
        self.filtered(lambda journal: not journal.astpp_has_series).sudo().astpp_has_series = True
