from odoo.addons.account_payment.controllers.portal import PortalAccount
from odoo.addons.payment import utils as payment_utils
from odoo.exceptions import AccessError, MissingError, UserError
from odoo.http import request, route

from .form_text import amount_of


class AstppPortalPayment(PortalAccount):
    """An invoice's page shows its stored document; invoices are paid to who issued them, in full or in part."""

    @route()
    def portal_my_invoice_detail(self, invoice_id, access_token=None, **kwargs):
        """Make the document first when the scheduled action has not yet: no invoice of ours is a pro forma."""
        try:
            invoice = self._document_check_access("account.move", invoice_id, access_token)
        except (AccessError, MissingError):
            return request.redirect("/my")
        if invoice.astpp_account_id:
            if kwargs.get("report_type") == "pdf":
                # Without a session everybody is the same user: then it is the document that is asked for too often.
                who = f"move/{invoice.id}" if request.env.user._is_public() else None
                try:
                    request.env["astpp.portal.act"]._spend("pdf", who=who)
                except UserError as error:
                    return request.make_response(
                        str(error), [("Content-Type", "text/plain; charset=utf-8")], status=429
                    )
            invoice._astpp_store_pdf()
            invoice.invalidate_recordset(["invoice_pdf_report_id"])
        return super().portal_my_invoice_detail(invoice_id, access_token=access_token, **kwargs)

    def _invoice_get_page_view_values(self, invoice, access_token, **kwargs):
        # sudo: the reader of an invoice has no right on issuers.
        request.update_context(astpp_issuer_id=invoice.sudo().astpp_issuer_id.id)
        values = super()._invoice_get_page_view_values(invoice, access_token, **kwargs)
        return values | {"astpp_part_error": request.session.pop("astpp_part_error", None)}

    def _overdue_invoices_get_page_view_values(self, overdue_invoices, **kwargs):
        """Pay what is left of the invoices, to the one who issued them."""
        # sudo: the reader of an invoice has no right on issuers.
        issuers = {move.astpp_issuer_id for move in overdue_invoices.sudo()}
        if len(issuers) == 1:
            request.update_context(astpp_issuer_id=issuers.pop().id)
        elif request.env["astpp.issuer"].sudo().union(*issuers)._own_providers():
            # No way to pay is everybody's: Odoo shows the list then, and each invoice is paid by itself.
            return {"page_name": "overdue_invoices"}
        values = super()._overdue_invoices_get_page_view_values(overdue_invoices, **kwargs)
        if "payment" in values:
            # Odoo asks for the totals, also where a part is paid.
            values["amount"] = values["payment"]["amount"] = sum(overdue_invoices.mapped("amount_residual"))
        return values

    @route("/my/invoices/<int:invoice_id>/part", type="http", auth="public", methods=["GET"], website=True)
    def astpp_invoice_part(self, invoice_id, part="", access_token=None, **_kw):
        """Open the payment of a part of what is open: Odoo's payment link, with the amount that the customer chose."""
        try:
            move = self._document_check_access("account.move", invoice_id, access_token)
        except (AccessError, MissingError):
            return request.redirect("/my")
        if not move._has_to_be_paid():
            return request.redirect(move.get_portal_url())
        try:
            amount = amount_of(request.env, part, move.currency_id)
            if not 0 < amount <= move.amount_residual:
                raise UserError(request.env._("Enter an amount up to what is open."))
        except UserError as error:
            request.session["astpp_part_error"] = str(error)
            return request.redirect(move.get_portal_url())
        token = payment_utils.generate_access_token(move.id, amount)
        query = f"&amount={amount}&payment_token={token}&payment=True"
        return request.redirect(move.get_portal_url(query_string=query, anchor="portal_pay"))
