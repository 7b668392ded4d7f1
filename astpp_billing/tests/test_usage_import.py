import csv
import io
from datetime import datetime

from openpyxl import Workbook

from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import COLUMNS, AstppCommon


@tagged("post_install", "-at_install")
class TestUsageImport(AstppCommon):
    def import_file(self, file, **values):
        usage_import = self.env["astpp.usage.import"].create({"server_id": self.server.id, **values})
        usage_import._import_stream(file, "cdrs.csv")
        return usage_import

    def usage(self):
        return self.env["astpp.usage"].search([("server_id", "=", self.server.id)], order="id")

    def test_lines_become_usage(self):
        row = self.row(self.customer, debit="0.123456", notes="C&ocirc;te")
        done = self.import_file(self.csv_file(row, delimiter=";", bom=True))
        usage = self.usage()
        self.assertEqual((done.line_count, done.added_count, done.rejected_count, done.state), (1, 1, 0, "done"))
        self.assertEqual(usage.account_id, self.customer)
        self.assertEqual(usage.partner_id, self.customer.partner_id)
        self.assertEqual(usage.issuer_id, self.operator)
        self.assertEqual((usage.amount, usage.destination), (0.123456, "Côte"))
        self.assertFalse(usage.exception)

    def test_same_file_twice(self):
        rows = [self.row(self.customer) for _n in range(5)]
        self.import_file(self.csv_file(*rows))
        again = self.import_file(self.csv_file(*reversed(rows)))
        self.assertEqual((again.added_count, again.known_count), (0, 5))
        self.assertEqual(len(self.usage()), 5)

    def test_twins_are_held(self):
        row = self.row(self.customer)
        done = self.import_file(self.csv_file(row, row, row))
        self.assertEqual(self.usage().mapped("exception"), [False, "duplicate", "duplicate"])
        self.assertEqual(done.exception_count, 2)
        self.assertEqual(self.import_file(self.csv_file(row, row, row)).added_count, 0)

    def test_rejects_are_handed_out(self):
        done = self.import_file(
            self.csv_file(
                self.row(self.customer), "=cmd()", self.row(self.customer) | {"accountid": ""}, self.row(self.customer)
            )
        )
        self.assertEqual((done.added_count, done.rejected_count, done.line_count), (2, 2, 4))
        raw = io.StringIO(done.with_context(bin_size=False).rejects_file and self._rejects(done))
        rows = list(csv.reader(raw))
        self.assertEqual([row[0] for row in rows[1:]], ["3", "4"])
        self.assertTrue(rows[1][2].startswith("'="), "a spreadsheet must not run it")
        self.assertIn("accountid", rows[2][1])

    def _rejects(self, usage_import):
        attachment = self.env["ir.attachment"].search(
            [("res_model", "=", usage_import._name), ("res_id", "=", usage_import.id), ("res_field", "!=", False)]
        )
        return attachment.raw.decode()

    def test_unknown_account_waits_for_it(self):
        """Calls of an account that Odoo does not have yet are kept, and found by the account."""
        row = self.row(self.customer) | {"accountid": "4711"}
        self.import_file(self.csv_file(row))
        usage = self.usage()
        self.assertEqual((usage.exception, usage.account_ref), ("unknown_account", "#4711"))
        with self.assertRaises(UserError):
            usage.action_release()
        account = self.make_account("Late", astpp_id=4711)
        self.assertEqual(usage.account_id, account)
        self.assertEqual(usage.partner_id, account.partner_id)
        self.assertFalse(usage.exception)

    def test_number_of_a_closed_and_a_live_account(self):
        """ASTPP uses numbers again: a file's call is the live account's, once; else the one's that was closed last."""
        accounts = self.make_account("First", number="N-7", status="closed")
        accounts |= self.make_account("Second", number="N-7")
        columns = ("account_number", *COLUMNS)
        rows = [self.row(None) | {"accountid": "", "account_number": "N-7"} for _call in range(3)]
        self.import_file(self.csv_file(rows[0], columns=columns))
        accounts |= self.make_account("Third", number="N-7", status="closed")
        self.import_file(self.csv_file(rows[1], columns=columns))
        accounts[1].status = "closed"
        self.import_file(self.csv_file(rows[2], columns=columns))
        self.assertEqual([usage.account_id.partner_id.name for usage in self.usage()], ["Second", "Second", "Third"])

    def test_file_of_something_else(self):
        usage_import = self.env["astpp.usage.import"].create({"server_id": self.server.id})
        with self.assertRaisesRegex(UserError, "cdrs.csv: the first line must name the columns"):
            usage_import._import_stream(io.BytesIO(b"name,phone\nx,1\n"), "cdrs.csv")
        self.assertEqual(usage_import.state, "new")
        self.assertFalse(self.usage())

    def test_workbook(self):
        """The same calls as CSV and as XLSX are the same calls."""
        rows = [self.row(self.customer), self.row(self.customer, billseconds="x"), self.row(self.customer)]
        book = Workbook()
        book.active.append(COLUMNS)
        for row in rows:
            values = [row[name] for name in COLUMNS]
            values[COLUMNS.index("callstart")] = datetime.fromisoformat(row["callstart"])
            values[COLUMNS.index("accountid")] = float(row["accountid"])
            book.active.append(values)
        file = io.BytesIO()
        book.save(file)
        file.seek(0)
        done = self.import_file(file)
        self.assertEqual((done.added_count, done.rejected_count), (2, 1))
        self.assertEqual(self.import_file(self.csv_file(*rows)).known_count, 2)
        with self.assertRaisesRegex(UserError, "damaged"):
            self.import_file(io.BytesIO(b"PK\x03\x04 no workbook"))

    def test_done_once(self):
        done = self.import_file(self.csv_file(self.row(self.customer)))
        with self.assertRaises(UserError):
            done._import_stream(self.csv_file(self.row(self.customer)), "x.csv")
