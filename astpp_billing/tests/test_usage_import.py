import csv
import gzip
import io
import zipfile
from datetime import datetime

from openpyxl import Workbook

from odoo import http
from odoo.exceptions import UserError
from odoo.tests import HttpCase, new_test_user, tagged

from .common import COLUMNS
from .import_common import FILES, ImportCommon

# The smallest possible PNG, of one pixel.
PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xff\xff?\0"
    b"\x05\xfe\x02\xfe\xa75\x81\x84\0\0\0\0IEND\xaeB`\x82"
)


@tagged("post_install", "-at_install")
class TestUsageImport(ImportCommon):
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

    def test_rejected_lines_can_be_downloaded(self):
        done = self.import_file(
            self.csv_file(
                self.row(self.customer), "=cmd()", self.row(self.customer) | {"accountid": ""}, self.row(self.customer)
            )
        )
        self.assertEqual((done.added_count, done.rejected_count, done.line_count), (2, 2, 4))
        raw = io.StringIO(done.with_context(bin_size=False).rejects_file and self.rejects(done))
        rows = list(csv.reader(raw))
        self.assertEqual([row[0] for row in rows[1:]], ["3", "4"])
        self.assertTrue(rows[1][2].startswith("'="), "a spreadsheet must not run it")
        self.assertIn("accountid", rows[2][1])

    def test_unknown_account_waits_for_it(self):
        """Calls of an unknown account are kept, and assigned when the account is created."""
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
        """As ASTPP reuses numbers, a file's call belongs to the live account, else to the one closed last."""
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
        """The same calls are recognised whether they come as CSV or XLSX."""
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

    def test_an_import_runs_once(self):
        done = self.import_file(self.csv_file(self.row(self.customer)))
        with self.assertRaises(UserError):
            done._import_stream(self.csv_file(self.row(self.customer)), "x.csv")

    def test_no_calls(self):
        """A report without calls consists of its headings."""
        usage_import = self.make_import()
        for file in (self.csv_file(), io.BytesIO(self.report())):
            with self.assertRaisesRegex(UserError, "empty.csv: there are no calls in it"):
                usage_import._import_stream(file, "empty.csv")
        self.assertEqual(usage_import.state, "new")
        done = self.import_file(self.csv_file("no call"))
        self.assertEqual((done.added_count, done.rejected_count), (0, 1), "a line that is no call is told of")

    def test_versions_in_one_file(self):
        """If one leg of a call has two amounts, only the first line is billed."""
        first = self.row(self.customer, debit="0.10")
        other = self.row(self.reseller_customer, debit="0.30") | {"uniqueid": first["uniqueid"]}
        unknown = self.row(self.customer) | {"accountid": "4711"}
        done = self.import_file(
            self.csv_file(first, first | {"debit": "0.20"}, other, first, unknown, unknown | {"debit": "9"})
        )
        self.assertEqual(done.exception_count, 4)
        amounts = {usage.amount: usage.exception for usage in self.usage() if usage.account_id}
        self.assertEqual(amounts[0.2], "changed")
        self.assertFalse(amounts[0.3], "each level is charged for the same call")
        self.assertEqual(self.bill(self.customer).move_ids.amount_untaxed, 0.1)
        waiting = self.usage().filtered(lambda usage: not usage.account_id)
        self.assertCountEqual(waiting.mapped("second_exception"), [False, "changed"])

    def test_changed_since(self):
        row = self.row(self.customer, debit="0.10")
        self.import_file(self.csv_file(row))
        done = self.import_file(self.csv_file(row, row | {"debit": "0.20"}))
        self.assertEqual((done.known_count, done.added_count), (1, 1))
        self.assertEqual(self.usage().mapped("exception"), [False, "changed"])

    def test_number_given_again(self):
        """The number in a file means the account that has it now, not a closed one that had it before."""
        closed = self.make_account("Gone", number="B7", status="closed")
        # Remove whatever keeps accounts from sharing a number today.
        self.env.cr.execute("ALTER TABLE astpp_account DROP CONSTRAINT IF EXISTS astpp_account_number_uniq")
        self.env.cr.execute("DROP INDEX IF EXISTS astpp_account_number_uniq")
        heir = self.make_account("Heir", number="B8")
        self.env.flush_all()
        self.env.cr.execute("UPDATE astpp_account SET number = 'B7' WHERE id = %s", [heir.id])
        self.env.invalidate_all()
        done = self.import_file(self.report(self.report_line(account="Heir (B7)")))
        self.assertEqual((done.line_count, done.added_count), (1, 1))
        self.assertEqual(self.usage().account_id, heir)
        self.assertFalse(closed.usage_count)


@tagged("post_install", "-at_install")
class TestUsageUpload(ImportCommon, HttpCase):
    """What the web client uploads, and what the import keeps of it."""

    def upload(self, usage_import, content, name="calls.csv"):
        user = self.env["res.users"].search([("login", "=", "importer")]) or new_test_user(
            self.env, login="importer", groups="base.group_user,account.group_account_invoice",
            company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip
        self.authenticate(user.login, user.login)
        response = self.url_open(
            f"/astpp_billing/usage_import/{usage_import.id}",
            data={"csrf_token": http.Request.csrf_token(self)},
            files={"ufile": (name, content, "application/octet-stream")},
        )
        self.assertEqual(response.status_code, 200)
        usage_import.invalidate_recordset()
        return response.json()

    def test_file(self):
        usage_import = self.make_import()
        self.assertEqual(self.upload(usage_import, self.csv_file(self.row(self.customer)).getvalue()), {})
        self.assertEqual((usage_import.state, usage_import.name, usage_import.added_count), ("done", "calls.csv", 1))
        again = self.upload(usage_import, self.csv_file(self.row(self.customer)).getvalue())
        self.assertIn("done", again["error"])
        self.assertEqual((usage_import.state, usage_import.refusal), ("done", False))

    def workbook_damaged_in_the_middle(self):
        """Return a workbook whose first rows are readable, but with a changed byte near its end."""
        file = io.BytesIO()
        book = Workbook(write_only=True)
        sheet = book.create_sheet()
        sheet.append(COLUMNS)
        for number in range(6000):
            sheet.append([self.row(self.customer, callednum=number * 7919)[name] for name in COLUMNS])
        book.save(file)
        content = bytearray(file.getvalue())
        with zipfile.ZipFile(file) as archive:
            sheet = archive.getinfo("xl/worksheets/sheet1.xml")
        content[sheet.header_offset + sheet.compress_size - 3000] ^= 0xFF
        return bytes(content)

    def test_refused_files_keep_their_reason(self):
        workbook = io.BytesIO()
        Workbook().save(workbook)
        for name, content, reason in (
            ("photo.png", PNG, "no text"),
            ("photo.csv", PNG, "no text"),
            ("calls.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "no text"),
            ("calls.csv.gz", gzip.compress(PNG), "no text"),
            ("half.csv.gz", gzip.compress(self.csv_file(self.row(self.customer)).getvalue())[:-12], "damaged"),
            ("broken.csv.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\3" + bytes(range(60, 90)), "damaged"),
            ("none.xlsx", b"PK\3\4" + PNG, "damaged"),
            ("half.xlsx", workbook.getvalue()[:-30], "damaged"),
            ("far.xlsx", self.workbook_damaged_in_the_middle(), "damaged"),
            ("empty.xlsx", workbook.getvalue(), "empty"),
            ("empty.csv", b"", "empty"),
            ("headings.csv", self.report(), "no calls"),
            ("contacts.csv", b"name,phone\nx,1\n", "missing"),
            ("euro.csv", (FILES / "report_in_euro.csv").read_bytes(), "EUR"),
        ):
            with self.subTest(name):
                usage_import = self.make_import()
                self.assertIn(reason, self.upload(usage_import, content, name)["error"])
                self.assertEqual((usage_import.state, usage_import.name), ("refused", name))
                self.assertIn(reason, usage_import.refusal)
                self.assertEqual(usage_import.display_name, name)
        self.assertFalse(self.usage())
