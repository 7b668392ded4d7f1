import tempfile

import xlsxwriter
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from odoo import fields, http
from odoo.fields import Domain
from odoo.http import content_disposition, request

from ..csv_file import CHUNK, csv_chunks, harmless
from ..models.ledger.astpp_usage_history import HistoryLine
from ..report.charges_report import MOST_LINES
from .form_text import key_of

# The maximum of an Excel worksheet.
SHEET_ROWS = 1_048_576
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}


class ChargeExport(http.Controller):
    """Export the charge history as a file of any length: rows are streamed from the database to the client."""

    @http.route("/astpp_billing/charges.<string:kind>", type="http", auth="user", methods=["GET"], readonly=True)
    def export(self, kind, move_id=None, account_id=None, date_from=None, date_to=None, **_kwargs):
        """Export the accountant's charges of an invoice, an account or a period.

        :param kind: csv, xlsx or pdf
        """
        if kind not in TYPES:
            raise request.not_found()
        usage = request.env["astpp.usage"]
        usage.check_access("read")
        domain = Domain.TRUE
        if (asked := key_of(move_id)) is not None:
            domain &= request.env["account.move"].search([("id", "=", asked)])._astpp_usage_domain()
        if (asked := key_of(account_id)) is not None:
            domain &= Domain("account_id", "=", asked)
        try:
            start, end = map(fields.Datetime.to_datetime, (date_from, date_to))
        except ValueError as error:
            raise BadRequest(request.env._("A date is written like 2026-01-31.")) from error
        if start:
            domain &= Domain("date", ">=", start)
        if end:
            domain &= Domain("date", "<", end)
        return charge_file(usage, domain, kind)


def charge_file(usage, domain, kind, documents=None):
    """Return a response that streams the usage of a domain as a file.

    :param usage: ``astpp.usage`` with the user's rights, or sudoed by a caller that has restricted the domain
    :param kind: csv, xlsx or pdf
    :param documents: domain of the invoices whose numbers may be shown, all by default
    """
    if kind == "pdf":
        return charge_document(usage, domain, documents)
    headings = usage._history_headings()
    statement = usage._history_query(domain, documents)
    lines = read_lines(usage.env.registry, statement, usage._history_labels())
    body = csv_chunks(headings, lines) if kind == "csv" else xlsx_chunks(headings, lines)
    headers = [("Content-Type", TYPES[kind]), ("Content-Disposition", content_disposition(f"charges.{kind}"))]
    return Response(body, headers=headers, direct_passthrough=True)


def charge_document(usage, domain, documents=None):
    """Return a response with the first lines of a domain as a PDF."""
    ids = usage.search(domain, order="date, id", limit=MOST_LINES + 1).ids
    if not ids:
        raise request.not_found()
    reports = usage.env["ir.actions.report"].with_context(
        astpp_documents=None if documents is None else list(documents), astpp_more=len(ids) > MOST_LINES
    )
    content, kind = reports._render_qweb_pdf("astpp_billing.action_report_charges", ids[:MOST_LINES])
    headers = [
        ("Content-Type", TYPES.get(kind, "text/html")),
        ("Content-Disposition", content_disposition("charges.pdf")),
    ]
    return request.make_response(content, headers)


def read_lines(registry, statement, labels):
    """Yield lines from a separate cursor, because the request's is closed before the client has read them."""
    with registry.cursor(readonly=True) as cursor, cursor._cnx.cursor(name="astpp_charges") as reader:
        reader.itersize = CHUNK
        reader.execute(statement.code, statement.params)
        for row in reader:
            yield HistoryLine.of(row, *labels)


def xlsx_chunks(headings, rows):
    """Yield the chunks of an Excel file, which is written to disk first because its index comes last."""
    with tempfile.NamedTemporaryFile(suffix=".xlsx") as file:
        workbook = xlsxwriter.Workbook(
            file.name, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        )
        sheet, line = workbook.add_worksheet(), 0
        sheet.write_row(0, 0, headings)
        for row in rows:
            line += 1
            if line == SHEET_ROWS:
                sheet, line = workbook.add_worksheet(), 1
                sheet.write_row(0, 0, headings)
            sheet.write_row(line, 0, tuple(map(harmless, row)))
        workbook.close()
        with open(file.name, "rb") as written:
            while chunk := written.read(1 << 16):
                yield chunk
