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
        """Note that moves of these journals have numbers of a series: said once for each journal."""
        # Whoever posts need not be allowed to change journals.
        self.filtered(lambda journal: not journal.astpp_has_series).sudo().astpp_has_series = True
