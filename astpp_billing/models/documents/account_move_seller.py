from odoo import api, models


class AccountMove(models.Model):
    """Who sells by an invoice: its issuer, also where the operator's company keeps the books."""

    _inherit = "account.move"

    def _astpp_is_resellers(self):
        """Tell whether a reseller issues this sale document in the operator's company."""
        self.ensure_one()
        # sudo: whoever may read the invoice may read whom it is from.
        issuer = self.sudo().astpp_issuer_id
        return bool(issuer.account_id) and self.is_sale_document() and issuer.partner_id != self.company_id.partner_id

    def _astpp_seller(self):
        """Return the contact of the seller: the issuer's, or the company's where it issues itself."""
        self.ensure_one()
        if self._astpp_is_resellers():
            return self.sudo().astpp_issuer_id.partner_id.commercial_partner_id.sudo(False)
        return self.company_id.partner_id

    @api.depends("astpp_issuer_id")
    def _compute_bank_partner_id(self):
        """Customers of a reseller with a bank account of its own pay there."""
        res = super()._compute_bank_partner_id()
        for move in self.filtered("astpp_issuer_id"):
            if move.is_inbound() and move._astpp_is_resellers():
                move.bank_partner_id = move._astpp_seller()
        return res
