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
        send = self.env["account.move.send"]
        documents = {move: {"pdf_report": send._get_default_pdf_report_id(move)} for move in self}
        send._prepare_invoice_pdf_report(documents)
        send._link_invoice_documents(documents)

    def _astpp_attachments(self):
        """Return the attachments of a mail: the document, and the list of calls when it is wanted as a file."""
        self.ensure_one()
        self._astpp_store_pdf()
        self.invalidate_recordset(["invoice_pdf_report_id"])
        if not self.invoice_pdf_report_id:
            raise UserError(self.env._("The document of %s cannot be made.", self.name))
        attachments = self.invoice_pdf_report_id
        kind = self._astpp_call_list_kind()
        if kind == "file" or (kind == "annex" and self._astpp_call_list() is None):
            attachments |= self._astpp_call_file()
        return attachments

    def _astpp_send_again(self):
        """Mail invoices once more because somebody asked for it: an event of its own."""
        self.env["astpp.notice"]._note("invoice", dict.fromkeys(self, fields.Datetime.now()))

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
