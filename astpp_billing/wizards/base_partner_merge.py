from odoo import models


class PartnerMerge(models.TransientModel):
    """Usage names the customer without a foreign key, so merging contacts is told to follow."""

    _inherit = "base.partner.merge.automatic.wizard"

    def _update_foreign_keys(self, src_partners, dst_partner):
        result = super()._update_foreign_keys(src_partners, dst_partner)
        # sudo: usage of all companies names the contact.
        accounts = self.env["astpp.account"].sudo().search([("partner_id", "=", dst_partner.id)])
        self.env["astpp.usage"]._follow(accounts)
        return result
