from decimal import Decimal

from odoo import api, models

# Maximum number of lines in one PDF; CSV and Excel files have no limit.
MOST_LINES = 5000


class ReportCharges(models.AbstractModel):
    """The charge history as a PDF."""

    _name = "report.astpp_billing.report_charges"
    _description = "Charge History"

    @api.model
    def _get_report_values(self, docids, data=None):
        """Return the lines, their totals and whose charges they are.

        The context may hold ``astpp_documents``, the domain of the invoices whose numbers may be shown, and
        ``astpp_more``, which says that there are more lines than shown.
        """
        usage = self.env["astpp.usage"].browse(docids)
        usage.check_access("read")
        documents = self.env.context.get("astpp_documents")
        lines = usage._history_lines([("id", "in", usage.ids)], documents)
        issuers = usage.issuer_id
        return {
            "docs": usage,
            "issuer": issuers if len(issuers) == 1 else issuers.browse(),
            "lines": lines,
            "currency": usage.currency_id[:1],
            "debit": sum((Decimal(str(line.debit)) for line in lines), Decimal(0)),
            "credit": sum((Decimal(str(line.credit)) for line in lines), Decimal(0)),
            "seconds": sum(line.seconds or 0 for line in lines),
            "more": self.env.context.get("astpp_more"),
        }
