from odoo import models
from odoo.http import request


class IrQweb(models.AbstractModel):
    """Show the reseller's brand, not the operator's, on pages for a reseller's customers."""

    _inherit = "ir.qweb"

    def _prepare_frontend_environment(self, values):
        res = super()._prepare_frontend_environment(values)
        if "astpp_brand" not in values:
            values["astpp_brand"] = self._astpp_brand(values.get("invoice") or values.get("sale_order"))
        return res

    def _astpp_brand(self, document=None):
        """Return {name, logo, color} of the only reseller who invoices this visitor, or None.

        :param document: the invoice or order on the page; whoever may see it may see who issued it
        """
        model = getattr(document, "_name", "")
        if model == "account.move":
            issuers = document.sudo().astpp_issuer_id
        elif model == "sale.order" and document.sudo().astpp_account_id:
            issuers = document._astpp_issuer()
        else:
            # Cached on the request, because a page consists of several templates.
            if not hasattr(request, "astpp_issuers"):
                request.astpp_issuers = self.env["astpp.account"]._portal_accounts().issuer_id
            issuers = request.astpp_issuers
        if len(issuers) != 1 or not issuers.account_id:
            return None
        return issuers._brand()
