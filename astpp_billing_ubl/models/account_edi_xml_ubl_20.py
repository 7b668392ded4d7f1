from odoo import models


class AccountEdiXmlUbl20(models.AbstractModel):
    """Name the issuer as the seller in UBL and what builds on it: BIS Billing 3, XRechnung, NLCIUS, …"""

    _inherit = "account.edi.xml.ubl_20"

    def _add_invoice_config_vals(self, vals):
        res = super()._add_invoice_config_vals(vals)
        if vals["invoice"]._astpp_is_resellers():
            vals["supplier"] = vals["invoice"]._astpp_seller()
        return res
