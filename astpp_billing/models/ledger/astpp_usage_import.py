from odoo import api, fields, models
from odoo.addons.base.models.res_partner import _tz_get
from odoo.exceptions import UserError

from ...connector.call_csv import read_calls
from ...connector.call_headings import FileError
from ...connector.call_xlsx import ZIP_MAGIC, read_xlsx_calls
from ...connector.report_clock import YEAR, clock_offsets
from ..astpp_guard_mixin import ours

ENCODINGS = {"utf-8-sig": "UTF-8", "cp1252": "Windows-1252"}


class OtherCurrencyError(FileError):
    """The amounts of the file are not in the server's base currency."""


class RefusedFileError(UserError):
    """The file cannot be imported; the reason is kept on its import."""


class AstppUsageImport(models.Model):
    """An imported file of call records, with the outcome for its lines."""

    _name = "astpp.usage.import"
    _description = "Usage Import"
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(string="File", readonly=True)
    state = fields.Selection(
        [
            ("new", "New"),
            ("waiting", "Waiting"),
            ("running", "Running"),
            ("done", "Done"),
            ("refused", "Refused"),
            ("cancelled", "Cancelled"),
            ("partly", "Partly Undone"),
            ("undone", "Undone"),
        ],
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
    untyped = fields.Selection(
        [("hold", "Hold them to be checked"), ("standard", "Outgoing calls"), ("did", "Calls to a DID")],
        string="Files Without a Call Type",
        required=True,
        default="hold",
        help="Reports that resellers export have no column Call Type. Calls that packages covered look like any other "
        "there: choose a type only where your customers have no packages.",
    )
    has_no_type = fields.Boolean(readonly=True)
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

    def _accept(self, headings):
        """Check a file's headings before its other lines are read.

        :param headings: the connector's ``Headings``
        :raise FileError: when the file cannot be imported for this server
        """
        self.has_no_type = "calltype" not in headings.columns
        self.encoding = headings.encoding and ENCODINGS.get(headings.encoding, headings.encoding.upper())
        base = self.server_id.currency_id.name
        others = sorted(currency for currency in headings.currencies if currency.upper() != base)
        if others:
            raise OtherCurrencyError(
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
        """Mark the import as refused and keep the reason."""
        self.write({"name": printable(filename), "state": "refused", "refusal": printable(reason)})

    def _type_of_untyped(self):
        """Return ASTPP's word for the type of calls in a file that has no such column, None to hold them."""
        return {"standard": "STANDARD", "did": "DID"}.get(self.untyped)

    @api.model
    def _reader(self, stream):
        """Return the connector's reader for this type of file, XLSX or CSV."""
        magic = stream.read(len(ZIP_MAGIC))
        stream.seek(0)
        return read_xlsx_calls if magic == ZIP_MAGIC else read_calls

    def _shifts_of_others(self, since, until):
        """Return the differences between this import's clock and the clocks of the server's other imports.

        The same call in an earlier import has its date shifted by one of them.

        :param since: date of the first line by this import's clock, naive UTC; ``until`` of the last one
        :return: sorted list of timedelta, without zero
        """
        # sudo: imports count whoever made them.
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

    def action_view_usage(self):
        """Open the lines that are held for checking."""
        return self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_usage_exception")

    def action_start_another(self):
        """Open an empty import with the same settings, for the right file."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_usage_import_new")
        defaults = {f"default_{name}": self[name] for name in ("tz", "clock", "untyped")}
        return action | {"context": {"default_server_id": self.server_id.id, **defaults}}


def _utc_text(offset):
    minutes = int(offset.total_seconds()) // 60
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def printable(text):
    """Replace the characters of an uploaded text that PostgreSQL cannot store, such as NULs and lone surrogates."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text or "")
