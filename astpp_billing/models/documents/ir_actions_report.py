from collections import OrderedDict
from io import BytesIO

from odoo import models

from ...document_sources import own_sources_only

# The field that marks one of Odoo's documents as ours.
OURS = {"account.move": "astpp_issuer_id", "sale.order": "astpp_account_id"}


class IrActionsReport(models.Model):
    """Keep documents with texts from customers, resellers and ASTPP from fetching anything while they are rendered."""

    _inherit = "ir.actions.report"

    def _render_qweb_pdf_prepare_streams(self, report_ref, data, res_ids=None):
        report = self._get_report(report_ref)
        reports = self.with_context(astpp_own_sources=True) if self._astpp_is_ours(report, res_ids) else self
        render = super(IrActionsReport, reports)._render_qweb_pdf_prepare_streams
        if not (stored := self._astpp_stored(report, data, res_ids)):
            return render(report_ref, data, res_ids)
        rest = [res_id for res_id in res_ids if res_id not in stored]
        streams = (render(report_ref, data, rest) if rest else {}) | stored
        return OrderedDict(
            (res_id, streams[res_id]) for res_id in [*res_ids, *(streams.keys() - set(res_ids))] if res_id in streams
        )

    def _astpp_stored(self, report, data, res_ids):
        """Return the documents that are kept: an issuer's invoice is made once, and printed as it was sent.

        :return: {id: {"stream", "attachment"}}, as Odoo's own method
        """
        if not res_ids or not self._is_invoice_report(report) or (data or {}).get("proforma"):
            return {}
        # sudo: Odoo checks who may print the invoices.
        moves = self.env["account.move"].sudo().browse(res_ids)
        send = self.env["account.move.send"]
        return {
            move.id: {"stream": BytesIO(move.invoice_pdf_report_id.raw), "attachment": None}
            for move in moves
            if move.astpp_issuer_id
            and move.state == "posted"
            and move.invoice_pdf_report_id
            and send._get_default_pdf_report_id(move) == report
        }

    def _prepare_html(self, html, report_model=False):
        """Remove foreign sources before Odoo wraps the content in its layout, which holds the database's own styles."""
        if self.env.context.get("astpp_own_sources"):
            parameters = self.env["ir.config_parameter"].sudo()
            urls = {self._get_report_url(), self.get_base_url(), parameters.get_param("web.base.url")}
            html = own_sources_only(html, tuple(filter(None, urls))).encode()
        return super()._prepare_html(html, report_model)

    def _astpp_is_ours(self, report, res_ids):
        """Tell whether the report is for one of our models, or any of its documents is ours."""
        if (report.model or "").startswith("astpp."):
            return True
        if report.model not in OURS or not res_ids:
            return False
        # sudo: Odoo checks who may print the documents; this only asks whether they are ours.
        return any(self.env[report.model].sudo().browse(res_ids).mapped(OURS[report.model]))
