from odoo.addons.account_payment.controllers.portal import PortalAccount
from odoo.http import request


class AstppPortalPayment(PortalAccount):
    """An invoice's page offers the ways to pay of who issued it."""

    def _invoice_get_page_view_values(self, invoice, access_token, **kwargs):
        # sudo: the reader of an invoice has no right on issuers.
        request.update_context(astpp_issuer_id=invoice.sudo().astpp_issuer_id.id)
        return super()._invoice_get_page_view_values(invoice, access_token, **kwargs)
