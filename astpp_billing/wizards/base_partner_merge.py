from odoo import models
from odoo.tools import SQL


class PartnerMerge(models.TransientModel):
    """Usage names the customer without a foreign key, so merging contacts is told to follow."""

    _inherit = "base.partner.merge.automatic.wizard"

    def _update_foreign_keys(self, src_partners, dst_partner):
        result = super()._update_foreign_keys(src_partners, dst_partner)
        self.env.execute_query(
            SQL(
                """
                UPDATE astpp_usage u SET partner_id = a.partner_id FROM astpp_account a
                 WHERE a.id = u.account_id AND a.partner_id = %s AND u.partner_id = ANY(%s)
             RETURNING u.id
                """,
                dst_partner.id,
                src_partners.ids,
            )
        )
        self.env["astpp.usage"].invalidate_model(["partner_id"])
        return result
