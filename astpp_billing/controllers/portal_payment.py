from odoo.addons.account_payment.controllers.portal import PortalAccount
from odoo.exceptions import AccessError, MissingError
from odoo.http import request, route


class AstppPortalPayment(PortalAccount):
    """An invoice's page shows its stored document, and the ways to pay of who issued it."""

    @route()
    def portal_my_invoice_detail(self, invoice_id, access_token=None, **kwargs):
        """Make the document first when the scheduled action has not yet: no invoice of ours is a pro forma."""
        try:
            invoice = self._document_check_access("account.move", invoice_id, access_token)
        except (AccessError, MissingError):
            return request.redirect("/my")
        if invoice.astpp_account_id:
            invoice._astpp_store_pdf()
            invoice.invalidate_recordset(["invoice_pdf_report_id"])
        return super().portal_my_invoice_detail(invoice_id, access_token=access_token, **kwargs)

    def _invoice_get_page_view_values(self, invoice, access_token, **kwargs):
        # sudo: the reader of an invoice has no right on issuers.
        request.update_context(astpp_issuer_id=invoice.sudo().astpp_issuer_id.id)
        return super()._invoice_get_page_view_values(invoice, access_token, **kwargs)
