import gzip
import io
import os
import tempfile
import time

from odoo import api, fields, models
from odoo.addons.base.models.res_partner import _tz_get
from odoo.exceptions import AccessError, UserError

from ...connector.call_csv import read_calls
from ...connector.call_headings import FileError
from ...connector.call_xlsx import ZIP_MAGIC, read_xlsx_calls
from ...connector.report_clock import YEAR, clock_offsets, report_zone
from ...csv_file import CsvWriter
from ..astpp_guard_mixin import ours

# A larger list of rejected lines is handed out compressed.
MAX_PLAIN_REJECTS = 5 << 20
# Rejected lines that are listed, and characters of each; what is more is counted. A file may be wrong as a whole.
MAX_REJECTS = 50_000
MAX_REJECT = 1000
# So many new calls change what PostgreSQL should know of the table.
MANY = 100_000
ENCODINGS = {"utf-8-sig": "UTF-8", "cp1252": "Windows-1252"}


class _OtherCurrencyError(FileError):
    """A file of calls, but with amounts that are not in the server's base currency."""


class RefusedFileError(UserError):
    """A file that is not imported: its import keeps the reason."""


class AstppUsageImport(models.Model):
    """One imported file of call records and what became of its lines."""

    _name = "astpp.usage.import"
    _description = "Usage Import"
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(string="File", readonly=True)
    state = fields.Selection(
        [("new", "New"), ("done", "Done"), ("refused", "Refused"), ("partly", "Partly Undone"), ("undone", "Undone")],
        default="new",
        readonly=True,
    )
    refusal = fields.Text(string="Why It Was Refused", readonly=True)
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
    clock = fields.Selection(
        [("fixed", "As ASTPP writes them: no daylight saving"), ("local", "Local time, with daylight saving")],
        string="Times of Reports",
        required=True,
        default="fixed",
        help="ASTPP adds a fixed difference to UTC, all year the same. Choose local time only for a report whose times "
        "somebody has converted.",
    )
    clock_text = fields.Char(string="That Is", compute="_compute_clock_text")
    encoding = fields.Char(string="Text Read As", readonly=True)
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

    @api.depends("name")
    def _compute_display_name(self):
        for usage_import in self:
            usage_import.display_name = usage_import.name or self.env._("New Import")

    @api.depends("tz", "clock")
    def _compute_clock_text(self):
        for usage_import in self:
            if not usage_import.tz or not usage_import.clock:
                usage_import.clock_text = False
                continue
            offsets = [
                _utc_text(offset) for offset in sorted(clock_offsets(usage_import.tz, usage_import.clock, (YEAR,)))
            ]
            usage_import.clock_text = (
                self.env._("%(winter)s, in summer %(summer)s", winter=offsets[0], summer=offsets[1])
                if len(offsets) > 1
                else self.env._("%s all year", offsets[0])
            )

    @ours
    def _import_stream(self, stream, filename):
        """Add the calls of a file to the ledger and note the outcome on the record.

        Keeps nothing of the file in memory, so any length will do. A file of calls in another currency is noted as
        refused, with the reason, before a line of it is loaded.

        :param stream: seekable binary file, CSV (plain or gzip) or XLSX
        :param filename: its name, for people
        :raise RefusedFileError: when it is not a file of calls at all, or has none; the transaction is to be rolled back
        """
        self.ensure_one()
        self.check_access("write")
        if not self.env.su and self.server_id.company_id not in self.env.companies:
            raise AccessError(self.env._("This ASTPP server belongs to another company."))
        if not self.try_lock_for_update():
            raise UserError(self.env._("This import is running. Wait for its end."))
        if self.state != "new":
            raise UserError(self.env._("This import is done. Start a new one for another file."))
        started = time.monotonic()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace", newline="") as rejects:
            reject = _RejectWriter(rejects, [self.env._("Line"), self.env._("Reason"), self.env._("Content")])
            try:
                records = self._reader(stream)(stream, report_zone(self.tz, self.clock), reject, self._accept)
                # The ledger is read-only for accountants; importing is how they add to it.
                usage = self.env["astpp.usage"].sudo()
                counts = usage._load_calls(self.server_id, records, self)
            except _OtherCurrencyError as error:
                self._refuse(filename, str(error))
                return
            except FileError as error:
                raise RefusedFileError(self.env._("%(file)s: %(reason)s", file=filename, reason=error)) from error
            if not counts["read"] and not reject.count:
                raise RefusedFileError(self.env._("%s: there are no calls in it.", filename))
            if counts["added"] >= MANY:
                usage._tell_planner()
            self.write(
                {
                    "name": _printable(filename),
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

    def _accept(self, headings):
        """Look at a file's first line, before the others are read.

        :param headings: the connector's ``Headings``
        :raise FileError: when the file must not be imported for this server
        """
        self.encoding = headings.encoding and ENCODINGS.get(headings.encoding, headings.encoding.upper())
        base = self.server_id.currency_id.name
        others = sorted(currency for currency in headings.currencies if currency.upper() != base)
        if others:
            raise _OtherCurrencyError(
                self.env._(
                    "Its amounts are in %(found)s, as its first line says, but the base currency of %(server)s is "
                    "%(base)s. In ASTPP, have the report exported by a user whose currency is %(base)s, or export the "
                    "table cdrs.",
                    found=", ".join(others),
                    server=self.server_id.name,
                    base=base,
                )
            )

    @ours
    def _refuse(self, filename, reason):
        """Keep why a file was not imported."""
        self.write({"name": _printable(filename), "state": "refused", "refusal": _printable(reason)})

    @api.model
    def _reader(self, stream):
        """Return the connector's reader for the kind of file that this is."""
        magic = stream.read(len(ZIP_MAGIC))
        stream.seek(0)
        return read_xlsx_calls if magic == ZIP_MAGIC else read_calls

    def _shifts_of_others(self, since, until):
        """Return by how much lines of this report would be elsewhere in the ledger, had another clock been chosen.

        :param since: moment of the first line, as this import has it; ``until`` of the last one
        :return: list of timedelta: one for each clock that reports of this server were imported with
        """
        # sudo: whoever imported them.
        others = self.sudo()._read_group(
            [("server_id", "=", self.server_id.id), ("state", "in", ("done", "partly"))], ["tz", "clock"]
        )
        years = range(since.year, until.year + 1)
        return sorted(
            {
                mine - other
                for tz, clock in others
                for other in clock_offsets(tz, clock, years)
                for mine in clock_offsets(self.tz, self.clock, years)
                if mine != other
            }
        )

    @api.model
    def _exception_summary(self, counts):
        labels = dict(self.env["astpp.usage"]._fields["exception"]._description_selection(self.env))
        return ", ".join(f"{labels[kind]}: {count}" for kind, count in sorted(counts.items()))

    def _rejects_vals(self, rejects, count, filename):
        if not count:
            return {}
        if count > MAX_REJECTS:
            rejects.write(
                "\r\n"
                + self.env._("%(more)s more lines were rejected and are not listed.", more=count - MAX_REJECTS)
                + "\r\n"
            )
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

    def action_start_another(self):
        """Open an empty import with the same settings, for the right file."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_usage_import_new")
        defaults = {f"default_{name}": self[name] for name in ("tz", "clock")}
        return action | {"context": {"default_server_id": self.server_id.id, **defaults}}


def _utc_text(offset):
    minutes = int(offset.total_seconds()) // 60
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _printable(text):
    """Return a text of somebody's file as the database can keep it: without NULs and half characters."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text or "")


class _RejectWriter:
    """Writes rejected lines as CSV, up to a number, and counts them."""

    def __init__(self, file, headings):
        self._writer = CsvWriter(file, headings)
        self.count = 0

    def __call__(self, number, reason, line):
        self.count += 1
        if self.count > MAX_REJECTS:
            return
        text = line.rstrip("\r\n")
        if len(text) > MAX_REJECT:
            text = f"{text[:MAX_REJECT]}…"
        self._writer.add([number, reason, text])
