from odoo import models


class PartnerMerge(models.TransientModel):
    """Update the customer on usage when contacts are merged, because usage has no foreign key to it."""

    _inherit = "base.partner.merge.automatic.wizard"

    def _update_foreign_keys(self, src_partners, dst_partner):
        # sudo: usage of all companies names the contacts.
        self.env["astpp.usage"].sudo()._merge_customers(src_partners, dst_partner)
        return super()._update_foreign_keys(src_partners, dst_partner)
