from odoo.addons.account_payment.controllers.portal import PortalAccount
from odoo.addons.payment import utils as payment_utils
from odoo.exceptions import AccessError, MissingError, UserError
from odoo.http import request, route

from .form_text import amount_of


class AstppPortalPayment(PortalAccount):
    """Show an invoice's stored PDF, and pay invoices to their issuer, in full or in part."""

    @route()
    def portal_my_invoice_detail(self, invoice_id, access_token=None, **kwargs):
        """Render the PDF first if the scheduled action has not done so, because our invoices have no pro forma."""
        try:
            invoice = self._document_check_access("account.move", invoice_id, access_token)
        except (AccessError, MissingError):
            return request.redirect("/my")
        if invoice.astpp_account_id:
            if kwargs.get("report_type") == "pdf":
                # Anonymous visitors share one user, so limit them by invoice.
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
        # sudo: whoever reads an invoice may have no access to issuers.
        request.update_context(astpp_issuer_id=invoice.sudo().astpp_issuer_id.id)
        values = super()._invoice_get_page_view_values(invoice, access_token, **kwargs)
        return values | {"astpp_part_error": request.session.pop("astpp_part_error", None)}

    def _overdue_invoices_get_page_view_values(self, overdue_invoices, **kwargs):
        """Pay what is left of the invoices, to their issuer."""
        # sudo: whoever reads an invoice may have no access to issuers.
        issuers = {move.astpp_issuer_id for move in overdue_invoices.sudo()}
        if len(issuers) == 1:
            request.update_context(astpp_issuer_id=issuers.pop().id)
        elif request.env["astpp.issuer"].sudo().union(*issuers)._own_providers():
            # Several issuers have no provider in common: show the list, so that invoices are paid one by one.
            return {"page_name": "overdue_invoices"}
        values = super()._overdue_invoices_get_page_view_values(overdue_invoices, **kwargs)
        if "payment" in values:
            # Odoo asks for the invoices' totals, even if part of them is paid.
            values["amount"] = values["payment"]["amount"] = sum(overdue_invoices.mapped("amount_residual"))
        return values

    @route("/my/invoices/<int:invoice_id>/part", type="http", auth="public", methods=["GET"], website=True)
    def astpp_invoice_part(self, invoice_id, part="", access_token=None, **_kw):
        """Open Odoo's payment link for a part of the open amount, with the amount that the customer chose."""
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
