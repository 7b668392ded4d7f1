import csv
import gzip
import io
import os
import tempfile
import time
from zoneinfo import ZoneInfo

from odoo import api, fields, models
from odoo.addons.base.models.res_partner import _tz_get
from odoo.exceptions import UserError

from ..connector.call_csv import FileError, read_calls
from ..connector.call_xlsx import ZIP_MAGIC, read_xlsx_calls
from .astpp_usage_history import harmless

# A larger list of rejected lines is handed out compressed.
MAX_PLAIN_REJECTS = 5 << 20


class AstppUsageImport(models.Model):
    """One imported file of call records and what became of its lines."""

    _name = "astpp.usage.import"
    _description = "Usage Import"
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(string="File", readonly=True)
    state = fields.Selection([("new", "New"), ("done", "Done")], default="new", readonly=True)
    server_id = fields.Many2one(
        "astpp.server",
        required=True,
        default=lambda self: self.env["astpp.server"].search([("company_id", "=", self.env.company.id)], limit=1),
    )
    company_id = fields.Many2one(related="server_id.company_id", store=True)
    tz = fields.Selection(
        _tz_get,
        string="Time Zone of Reports",
        required=True,
        default="UTC",
        help="ASTPP's reports show times in the zone of the user who exported them; its tables are always in UTC.",
    )
    line_count = fields.Integer(string="Lines Read", readonly=True)
    added_count = fields.Integer(string="Added", readonly=True)
    known_count = fields.Integer(string="Known Already", readonly=True)
    rejected_count = fields.Integer(string="Rejected", readonly=True)
    exception_count = fields.Integer(
        string="To Be Checked", readonly=True, help="Added, but not billed before somebody releases them."
    )
    exception_summary = fields.Char(readonly=True)
    seconds = fields.Float(string="Duration", readonly=True, digits=(16, 1), help="Seconds.")
    rejects_file = fields.Binary(string="Rejected Lines", readonly=True, attachment=True)
    rejects_name = fields.Char(readonly=True)

    def _import_stream(self, stream, filename):
        """Add the calls of a file to the ledger and note the outcome on the record.

        Reads the stream once and keeps nothing of it in memory, so any length will do.

        :param stream: seekable binary file, CSV (plain or gzip) or XLSX
        :param filename: its name, for people
        :raise UserError: when it is not a file of calls at all; nothing is written then
        """
        self.ensure_one()
        self.check_access("write")
        if self.state == "done":
            raise UserError(self.env._("This import is done. Start a new one for another file."))
        started = time.monotonic()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace", newline="") as rejects:
            reject = _RejectWriter(rejects, [self.env._("Line"), self.env._("Reason"), self.env._("Content")])
            try:
                records = self._reader(stream)(stream, ZoneInfo(self.tz), reject)
                # The ledger is read-only for accountants; importing is how they add to it.
                counts = self.env["astpp.usage"].sudo()._load_calls(self.server_id, records)
            except FileError as error:
                raise UserError(self.env._("%(file)s: %(reason)s", file=filename, reason=error)) from error
            self.write(
                {
                    "name": filename,
                    "state": "done",
                    "line_count": counts["read"] + reject.count,
                    "added_count": counts["added"],
                    "known_count": counts["known"],
                    "rejected_count": reject.count,
                    "exception_count": sum(counts["exceptions"].values()),
                    "exception_summary": self._exception_summary(counts["exceptions"]),
                    "seconds": time.monotonic() - started,
                }
                | self._rejects_vals(rejects, reject.count, filename)
            )

    @api.model
    def _reader(self, stream):
        """Return the connector's reader for the kind of file that this is."""
        magic = stream.read(len(ZIP_MAGIC))
        stream.seek(0)
        return read_xlsx_calls if magic == ZIP_MAGIC else read_calls

    @api.model
    def _exception_summary(self, counts):
        labels = dict(self.env["astpp.usage"]._fields["exception"]._description_selection(self.env))
        return ", ".join(f"{labels[kind]}: {count}" for kind, count in sorted(counts.items()))

    def _rejects_vals(self, rejects, count, filename):
        if not count:
            return {}
        name = f"rejected-{os.path.basename(filename).split('.')[0]}-{self.id}.csv"
        size = rejects.tell()
        rejects.flush()
        binary = rejects.buffer
        binary.seek(0)
        if size <= MAX_PLAIN_REJECTS:
            raw = binary.read()
        else:
            name += ".gz"
            packed = io.BytesIO()
            with gzip.GzipFile(fileobj=packed, mode="wb") as target:
                while chunk := binary.read(1 << 20):
                    target.write(chunk)
            raw = packed.getvalue()
        # Written as raw attachment content: base64 would hold it in memory three times.
        self.env["ir.attachment"].sudo().search(
            [("res_model", "=", self._name), ("res_field", "=", "rejects_file"), ("res_id", "=", self.id)]
        ).unlink()
        self.env["ir.attachment"].sudo().create(
            {
                "name": "rejects_file",
                "res_model": self._name,
                "res_field": "rejects_file",
                "res_id": self.id,
                "type": "binary",
                "raw": raw,
            }
        )
        self.invalidate_recordset(["rejects_file"])
        return {"rejects_name": name}

    def action_view_usage(self):
        """Open the lines that wait for somebody to look at them."""
        return self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_usage_exception")


class _RejectWriter:
    """Writes rejected lines as CSV and counts them."""

    def __init__(self, file, headings):
        self._writer = csv.writer(file)
        self._writer.writerow(headings)
        self.count = 0

    def __call__(self, number, reason, line):
        self.count += 1
        text = line.rstrip("\r\n")
        self._writer.writerow([number, harmless(reason), harmless(text)])
