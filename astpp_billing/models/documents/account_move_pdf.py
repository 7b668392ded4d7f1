import base64
import logging
import re

from odoo import fields, models
from odoo.exceptions import UserError

_logger = logging.getLogger(__name__)


def _harmless_name(name):
    """Replace what a system could take for part of a path, a drive or a hidden file."""
    return re.sub(r"[^\w.,()+ -]", "-", name).lstrip(". ")


class AccountMove(models.Model):
    """The stored PDF of an invoice, and the attachments of its mail."""

    _inherit = "account.move"

    def _astpp_store_pdf(self, to_mail=False):
        """Have Odoo make and store the documents of posted invoices that have none, together as far as that goes.

        If that fails, each invoice is rendered alone; those that fail again stay without a PDF.

        :param to_mail: whether they are to be mailed: then one whose electronic invoice cannot be made has no documents
            yet, unless its issuer sends it all the same. Whoever looks at an invoice gets the PDF in any case
        """
        # What goes to a web service has its documents made when it is sent: the addons for that commit in between.
        missing = self.filtered(
            lambda move: move.state == "posted" and not move.invoice_pdf_report_id and not move._astpp_calls_services()
        )
        # Together means in one company and language: texts that are read for one invoice stay for the others.
        for (_company, _lang, anyway), moves in missing.grouped(
            lambda move: (move.company_id, move.partner_id.lang, not to_mail or move._astpp_goes_anyway())
        ).items():
            try:
                with self.env.cr.savepoint():
                    moves._astpp_render_pdf(anyway)
            except Exception:
                if len(moves) == 1:
                    _logger.warning("The PDF of %s cannot be made", moves.display_name, exc_info=True)
                    continue
                for move in moves:
                    move._astpp_store_pdf(to_mail)

    def _astpp_render_pdf(self, anyway=True):
        """Make the documents of invoices of one company and language as Odoo does, with all that hangs on its hooks.

        :param anyway: whether a PDF is made although an electronic invoice cannot be
        """
        unsent = self.filtered(lambda move: not move.is_move_sent)
        lang = self[:1].partner_id.lang or self.env.lang
        send = self.env["account.move.send"].with_context(lang=lang)
        moves = self.with_context(lang=lang)
        documents = {
            move.sudo(): send._get_default_sending_settings(move, sending_methods={"manual"}) for move in moves
        }
        send._generate_invoice_documents(documents)
        failed = moves.filtered(lambda move: documents[move.sudo()].get("error"))
        if failed and anyway:
            plain = {"sending_methods": {"manual"}, "invoice_edi_format": False}
            send._generate_invoice_documents(
                {move.sudo(): send._get_default_sending_settings(move, **plain) for move in failed}
            )
        # Odoo marks an invoice as sent once its PDF exists, but ours are rendered before their mail goes out.
        unsent.is_move_sent = False

    def _astpp_calls_services(self):
        """Tell whether sending this invoice calls a web service, for its way of sending or a country's rules."""
        self.ensure_one()
        send = self.env["account.move.send"]
        return bool(send._get_default_sending_methods(self) - {"email", "manual"} or send._get_default_extra_edis(self))

    def _astpp_goes_anyway(self):
        """Tell whether the issuer mails an invoice although its electronic invoice cannot be made."""
        self.ensure_one()
        # sudo: whoever sends invoices may have no access to issuers.
        return self.sudo().astpp_issuer_id.without_einvoice == "send"

    def _astpp_attachments(self):
        """Return the attachments of a reminder's mail: the PDF, and the list of calls if it goes out as a file."""
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
        """Tell whether the list of calls is attached to the invoice's mail as a file."""
        kind = self._astpp_call_list_kind()
        return kind == "file" or (kind == "annex" and self._astpp_call_list() is None)

    def _astpp_send_again(self):
        """Mail invoices again at a user's request: note a new event that replaces one still waiting."""
        notices, now = self.env["astpp.notice"], fields.Datetime.now()
        mine = [("move_id", "in", self.ids), ("kind", "=", "invoice")]
        waiting = notices.search([*mine, ("state", "=", "waiting"), ("date", "<", now)])
        # sudo: whoever sends invoices may only read notices.
        waiting.sudo().write({"state": "off", "message": self.env._("Sent by hand.")})
        notices._note("invoice", dict.fromkeys(self, now))

    def _astpp_sender_missing(self):
        """Return why the invoice cannot be mailed if its reseller has no address; the operator's must not stand in."""
        self.ensure_one()
        # sudo: whoever sends invoices may have no access to issuers.
        return self.sudo().astpp_issuer_id._sender_missing()

    def _is_ready_to_be_sent(self):
        """Keep Odoo from mailing a paid invoice by itself: ours have a payment mail of their own."""
        return not self.astpp_account_id and super()._is_ready_to_be_sent()

    def _get_mail_template(self):
        """Send an issuer's invoices with the issuer's mail template, whoever sends them."""
        if self and all(move.astpp_issuer_id and move.is_sale_document() for move in self):
            # sudo: whoever sends invoices may have no access to issuers.
            own = self.sudo().astpp_issuer_id.mail_template_id
            return own.sudo(False) if len(own) == 1 else self.env.ref("astpp_billing.mail_template_invoice")
        return super()._get_mail_template()

    def _astpp_file_name(self, extension):
        """Return a file name for this document, without characters of its number that are unsafe in file names."""
        self.ensure_one()
        name = self.name if self.name and self.state == "posted" else f"draft-{self.id}"
        return f"{_harmless_name(name)}.{extension}"

    def _get_invoice_report_filename(self, extension="pdf", report=None):
        name = super()._get_invoice_report_filename(extension, report)
        return _harmless_name(name) if self.astpp_issuer_id else name

    def _astpp_call_file(self):
        """Return the invoice's charges as an attached CSV file, which is created only once."""
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
