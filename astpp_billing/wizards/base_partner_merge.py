from odoo import models


class PartnerMerge(models.TransientModel):
    """Update the customer on usage when contacts are merged, because usage has no foreign key to it."""

    _inherit = "base.partner.merge.automatic.wizard"

    def _update_foreign_keys(self, src_partners, dst_partner):
        result = super()._update_foreign_keys(src_partners, dst_partner)
        # sudo: usage of all companies may name the merged contact.
        accounts = self.env["astpp.account"].sudo().search([("partner_id", "=", dst_partner.id)])
        self.env["astpp.usage"]._follow(accounts)
        return result
