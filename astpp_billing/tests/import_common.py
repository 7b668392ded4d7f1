import io
from pathlib import Path

from .common import AstppCommon

FILES = Path(__file__).parent / "files"
REPORT = "Date,Caller ID,Called Number,Duration,Debit(USD),Account,Call Type,Direction"


class ImportCommon(AstppCommon):
    """Files of calls of account A00001, as ASTPP and spreadsheets write them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.customer.number = "A00001"

    def make_import(self, **values):
        return self.env["astpp.usage.import"].create({"server_id": self.server.id, **values})

    def import_file(self, file, name="cdrs.csv", **values):
        """Import a binary file, bytes, or a file of the folder ``files`` by name."""
        usage_import = self.make_import(**values)
        if isinstance(file, str):
            name, file = file, (FILES / file).read_bytes()
        usage_import._import_stream(io.BytesIO(file) if isinstance(file, bytes) else file, name)
        return usage_import

    def report_line(self, at="2024-01-15 12:00:00", duration="01:00", debit="0.1", **values):
        """Return a line that fits the headings of ``REPORT``."""
        line = {"number": "442012345678", "account": "Ann Example (A00001)", "type": "STANDARD", **values}
        return f'"{at}","Ann <100>",{line["number"]},{duration},{debit},"{line["account"]}",{line["type"]},outbound'

    def report(self, *lines, heading=REPORT):
        return "\n".join([heading, *lines, ""]).encode()

    def usage(self):
        return self.env["astpp.usage"].search([("server_id", "=", self.server.id)], order="id")

    def rejects(self, usage_import):
        """Return the file of rejected lines that an import offers, as text."""
        attachment = self.env["ir.attachment"].search(
            [("res_model", "=", usage_import._name), ("res_id", "=", usage_import.id), ("res_field", "!=", False)]
        )
        return attachment.raw.decode()
