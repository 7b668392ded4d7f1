from odoo import api, models

from .astpp_subscription import LAYOUT


class AccountMoveSend(models.AbstractModel):
    """Make Odoo's *Send* mail an issuer's invoices in the issuer's name, and cancel the mail that is still pending."""

    _inherit = "account.move.send"

    @api.model
    def _get_default_pdf_report_id(self, move):
        """Print an issuer's invoices in the issuer's layout, if it has one."""
        # sudo: as below.
        own = move.sudo().astpp_issuer_id.pdf_report_id if move.is_sale_document() else None
        return own.sudo(False) if own else super()._get_default_pdf_report_id(move)

    @api.model
    def _get_default_sending_methods(self, move):
        methods = super()._get_default_sending_methods(move)
        if "peppol" in methods and move._astpp_is_resellers():
            return (methods - {"peppol"}) | {"email"}
        return methods

    @api.model
    def _get_default_sending_settings(self, move, from_cron=False, **custom_settings):
        if move.astpp_issuer_id and "mail_body" not in custom_settings:
            # Sent without anyone seeing the text: use the issuer's template, not a generic one.
            custom_settings.pop("mail_template", None)
        return super()._get_default_sending_settings(move, from_cron=from_cron, **custom_settings)

    @api.model
    def _get_alerts(self, moves, moves_data):
        alerts = super()._get_alerts(moves, moves_data)
        mailed = moves.filtered(lambda move: "email" in moves_data[move]["sending_methods"])
        if nameless := mailed.filtered(lambda move: move._astpp_sender_missing()):
            alerts["astpp_sender"] = {
                "level": "danger" if len(moves) == 1 else "warning",
                "message": "\n".join({move._astpp_sender_missing() for move in nameless}),
            }
        return alerts

    @api.model
    def _hook_invoice_document_before_pdf_report_render(self, invoice, invoice_data):
        res = super()._hook_invoice_document_before_pdf_report_render(invoice, invoice_data)
        if "email" in invoice_data["sending_methods"] and (reason := invoice._astpp_sender_missing()):
            invoice_data["error"] = {"error_title": reason}
        return res

    @api.model
    def _is_applicable_to_move(self, method, move, **move_data):
        # Even when Odoo sends despite an error: the operator's name must not appear.
        if method == "email" and move._astpp_sender_missing():
            return False
        # Who takes part in Peppol is the company: a reseller's invoice in its name would be another seller's.
        if method == "peppol" and move._astpp_is_resellers():
            return False
        return super()._is_applicable_to_move(method, move, **move_data)

    @api.model
    def _get_placeholder_mail_attachments_data(self, move, invoice_edi_format=None, extra_edis=None, pdf_report=None):
        """List the file of calls beside the PDF if it is to be attached."""
        data = super()._get_placeholder_mail_attachments_data(
            move, invoice_edi_format=invoice_edi_format, extra_edis=extra_edis, pdf_report=pdf_report
        )
        if move.astpp_account_id and move._astpp_mails_call_file():
            name = move._astpp_file_name("csv")
            data.append({"id": f"placeholder_{name}", "name": name, "mimetype": "text/csv", "placeholder": True})
        return data

    @api.model
    def _get_mail_params(self, move, move_data):
        """Attach the file of calls, unless the sender removed it."""
        params = super()._get_mail_params(move, move_data)
        if params and move.astpp_account_id and move._astpp_mails_call_file():
            name = move._astpp_file_name("csv")
            if not any(each["name"] == name and each.get("skip") for each in move_data["mail_attachments_widget"]):
                params["attachments"].append((name, move._astpp_call_file().raw))
        return params

    @api.model
    def _get_mail_layout(self):
        return LAYOUT if self.env.context.get("astpp_issuer_mail") else super()._get_mail_layout()

    @api.model
    def _send_mail(self, move, mail_template, **kwargs):
        # sudo: whoever sends invoices may have no access to issuers.
        issuer = move.sudo().astpp_issuer_id
        if not issuer:
            return super()._send_mail(move, mail_template, **kwargs)
        if sender := issuer._email_from():
            # Whatever template was chosen: customers deal with the issuer only.
            kwargs |= {"email_from": sender, "reply_to": issuer._reply_to()}
            kwargs["author_id"] = issuer.partner_id.id if issuer.account_id else kwargs.get("author_id")
        return super(AccountMoveSend, self.with_context(astpp_issuer_mail=True))._send_mail(
            move, mail_template, **kwargs
        )

    @api.model
    def _send_mails(self, moves_data):
        res = super()._send_mails(moves_data)
        if self.env.context.get("astpp_notice"):
            # Ours: the notice follows its mail.
            return res
        sent = self.env["account.move"]
        for move, data in moves_data.items():
            partners = self.env["res.partner"].browse(data.get("mail_partner_ids") or [])
            # Sending a copy to somebody else does not count: the customer must be among the recipients.
            if move.astpp_issuer_id and move.commercial_partner_id in partners.sudo().commercial_partner_id:
                sent |= move
        if sent:
            # Odoo does not mark the invoice as sent if its PDF existed before.
            sent.is_move_sent = True
            self.env["astpp.notice"]._sent_by_hand(sent)
        return res
