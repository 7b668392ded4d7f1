import base64
import logging
import re

from odoo import fields, models
from odoo.exceptions import UserError

_logger = logging.getLogger(__name__)


def _harmless_name(name):
    """Leave of a name what no system takes for a path, a drive or a hidden file."""
    return re.sub(r"[^\w.,()+ -]", "-", name).lstrip(". ")


class AccountMove(models.Model):
    """The stored document of an invoice, and what goes out with its mail."""

    _inherit = "account.move"

    def _astpp_store_pdf(self):
        """Store the documents of posted invoices that have none, with one call of the PDF engine.

        Should one of them break it, they are rendered one by one; those that fail stay without.
        """
        missing = self.filtered(lambda move: move.state == "posted" and not move.invoice_pdf_report_id)
        for moves in missing.grouped("company_id").values():
            try:
                with self.env.cr.savepoint():
                    moves._astpp_render_pdf()
            except Exception:
                if len(moves) == 1:
                    _logger.warning("The PDF of %s cannot be made", moves.display_name, exc_info=True)
                    continue
                for move in moves:
                    move._astpp_store_pdf()

    def _astpp_render_pdf(self):
        unsent = self.filtered(lambda move: not move.is_move_sent)
        send = self.env["account.move.send"]
        documents = {move: {"pdf_report": send._get_default_pdf_report_id(move)} for move in self}
        send._prepare_invoice_pdf_report(documents)
        send._link_invoice_documents(documents)
        # For Odoo an invoice is sent when its document is made: ours are made before, to wait for their mail.
        unsent.is_move_sent = False

    def _astpp_attachments(self):
        """Return the attachments of a mail: the document, and the list of calls when it is wanted as a file."""
        self.ensure_one()
        self._astpp_store_pdf()
        self.invalidate_recordset(["invoice_pdf_report_id"])
        if not self.invoice_pdf_report_id:
            raise UserError(self.env._("The document of %s cannot be made.", self.name))
        attachments = self.invoice_pdf_report_id
        if self._astpp_mails_call_file():
            attachments |= self._astpp_call_file()
        return attachments

    def _astpp_mails_call_file(self):
        """Tell whether the list of calls goes with the invoice's mail as a file."""
        kind = self._astpp_call_list_kind()
        return kind == "file" or (kind == "annex" and self._astpp_call_list() is None)

    def _astpp_send_again(self):
        """Mail invoices once more because somebody asked for it: an event of its own, in place of one that waits."""
        notices, now = self.env["astpp.notice"], fields.Datetime.now()
        mine = [("move_id", "in", self.ids), ("kind", "=", "invoice")]
        waiting = notices.search([*mine, ("state", "=", "waiting"), ("date", "<", now)])
        # Whoever sends invoices may read notices only.
        waiting.sudo().write({"state": "off", "message": self.env._("Sent by hand.")})
        notices._note("invoice", dict.fromkeys(self, now))

    def _astpp_sender_missing(self):
        """Say why the invoice cannot be mailed, if a reseller has no address: nobody is to get the operator's."""
        self.ensure_one()
        # sudo: whoever sends invoices need not see issuers.
        issuer = self.sudo().astpp_issuer_id
        if not issuer.account_id or issuer._email_from():
            return None
        return self.env._("Issuer %s has no e-mail address: enter one on his contact.", issuer.name)

    def _is_ready_to_be_sent(self):
        """Odoo asks before it mails a paid invoice by itself: ours have a mail of their own, where it is wanted."""
        return not self.astpp_account_id and super()._is_ready_to_be_sent()

    def _get_mail_template(self):
        """Invoices of an issuer are sent in his words, whoever sends them."""
        if self and all(move.astpp_issuer_id and move.is_sale_document() for move in self):
            return self.env.ref("astpp_billing.mail_template_invoice")
        return super()._get_mail_template()

    def _astpp_file_name(self, extension):
        """Return the name of a file of this document: a number may have any characters, a file's no path."""
        self.ensure_one()
        name = self.name if self.name and self.state == "posted" else f"draft-{self.id}"
        return f"{_harmless_name(name)}.{extension}"

    def _get_invoice_report_filename(self, extension="pdf", report=None):
        name = super()._get_invoice_report_filename(extension, report)
        return _harmless_name(name) if self.astpp_issuer_id else name

    def _astpp_call_file(self):
        """Return the invoice's charges as an attached CSV file, made once."""
        name = self._astpp_file_name("csv")
        attachments = self.env["ir.attachment"].sudo()
        known = attachments.search(
            [("res_model", "=", self._name), ("res_id", "=", self.id), ("name", "=", name)], limit=1
        )
        if known:
            return known
        content = self.env["astpp.usage"].sudo()._history_csv([("move_id", "=", self.id)])
        return attachments.create(
            {
                "name": name,
                "datas": base64.b64encode(content),
                "mimetype": "text/csv",
                "res_model": self._name,
                "res_id": self.id,
            }
        )

    def _post(self, soft=True):
        posted = super()._post(soft)
        ours = posted.filtered(lambda move: move.astpp_account_id and move.is_sale_document())
        self.env["astpp.notice"]._note(
            "invoice", {move: fields.Datetime.to_datetime(move.invoice_date) for move in ours}
        )
        return posted

    def _invoice_paid_hook(self):
        res = super()._invoice_paid_hook()
        paid = self.filtered(
            lambda move: move.astpp_account_id
            and move.move_type == "out_invoice"
            and move.payment_state in ("paid", "in_payment")
            and move.amount_total
        )
        self.env["astpp.notice"]._note("payment", dict.fromkeys(paid, fields.Datetime.now()))
        return res
