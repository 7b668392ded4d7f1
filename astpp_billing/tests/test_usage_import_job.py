import io
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import new_test_user, tagged

from ..models.job_time import JobTime
from ..models.ledger import astpp_usage_import_job, stored_file
from ..models.ledger.stored_file import parts
from .import_common import ImportCommon

HOUR = "2024-01-15 12:%02d:00"


@tagged("post_install", "-at_install")
class TestUsageImportJob(ImportCommon):
    """Large files are imported in the background, piece by piece; what ends a job loses and doubles nothing."""

    def setUp(self):
        super().setUp()
        self.patch(astpp_usage_import_job, "PIECE", 4)
        self.commits = 0
        self.patch(self.registry["ir.cron"], "_commit_progress", self.commit)
        # A rollback would undo the test's own set-up.
        self.patch(self.env.cr, "rollback", lambda: None)
        self.user = new_test_user(
            self.env, login="importer", groups="base.group_user,account.group_account_invoice",
            company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip

    def commit(self, *_args, **_kwargs):
        self.commits += 1
        return 1.0

    def lines(self, count, **values):
        return [self.report_line(at=HOUR % n, **values) for n in range(count)]

    def upload(self, *lines, name="calls.csv", **values):
        return self.receive(self.report(*lines), name, **values)

    def receive(self, content, name, **values):
        imports = self.env["astpp.usage.import"].with_user(self.user)
        usage_import = imports.create({"server_id": self.server.id, **values})
        usage_import._receive(io.BytesIO(content), name)
        return usage_import.sudo()

    def work(self):
        self.env["astpp.usage.import"].sudo()._cron_import()

    def test_from_upload_to_notification(self):
        usage_import = self.upload(*self.lines(9), self.report_line(at="nonsense"), name="month.csv")
        self.assertEqual((usage_import.state, usage_import.line_count), ("waiting", 0))
        self.assertTrue(parts(usage_import))
        self.work()
        self.assertEqual((usage_import.state, usage_import.progress), ("done", 100))
        self.assertEqual((usage_import.line_count, usage_import.added_count, usage_import.rejected_count), (10, 9, 1))
        self.assertFalse(parts(usage_import), "the file is not kept")
        self.assertIn("nonsense", self.rejects(usage_import))
        message = self.env["mail.message"].search(
            [("model", "=", usage_import._name), ("res_id", "=", usage_import.id)]
        )
        self.assertEqual(message.subject, "Import of month.csv: Done")
        self.assertIn("10 lines read, 9 added", message.body)
        self.assertEqual(message.notified_partner_ids, self.user.partner_id)

    def test_same_as_at_once(self):
        """Pieces differ in nothing from a whole: twins, versions, rejected lines."""
        twin, other = self.report_line(), self.report_line(debit="0.7")
        lines = [
            *(twin, "x,y", *self.lines(5, number="441"), twin, other, '"', *self.lines(5, number="442"), twin, "z"),
        ]  # fmt: skip
        background = self.upload(*lines)
        self.work()
        fields = ("line_count", "added_count", "known_count", "rejected_count", "exception_summary", "exception_count")
        found = [background[name] for name in fields], self.rejects(background).splitlines()
        held = sorted((line.date, line.amount, line.exception or "") for line in self.usage())
        background.action_undo()
        self.patch(astpp_usage_import_job, "PIECE", 1000)
        whole = self.import_file(self.report(*lines))
        self.assertEqual(([whole[name] for name in fields], self.rejects(whole).splitlines()), found)
        self.assertEqual(sorted((line.date, line.amount, line.exception or "") for line in self.usage()), held)

    def test_goes_on_where_it_stopped(self):
        """A job that is killed between two pieces, or whose time is up, is followed by one that reads the rest."""
        usage_import = self.upload(*self.lines(10), "a,b", *self.lines(3, number="999"))
        with patch.object(JobTime, "is_up", True):
            self.work()
        self.assertEqual((usage_import.state, usage_import.added_count, usage_import.last_line), ("running", 4, 5))
        self.assertGreater(usage_import.progress, 0)
        with patch.object(JobTime, "is_up", True):
            self.work()
        self.assertEqual(usage_import.added_count, 8)
        self.work()
        self.assertEqual((usage_import.state, usage_import.added_count, usage_import.rejected_count), ("done", 13, 1))
        self.assertFalse(self.usage().filtered("exception"))
        self.assertEqual(len(self.usage()), 13)

    def test_cancelled_before_and_while_it_runs(self):
        waiting = self.upload(*self.lines(6))
        waiting.with_user(self.user).action_cancel()
        self.work()
        self.assertEqual(waiting.state, "cancelled")
        running = self.upload(*self.lines(9))
        with patch.object(JobTime, "is_up", True):
            self.work()
        self.assertEqual(len(self.usage()), 4)
        running.with_user(self.user).action_cancel()
        self.work()
        self.assertEqual((running.state, len(self.usage())), ("cancelled", 0))
        self.assertFalse(parts(running) | parts(waiting))
        with self.assertRaisesRegex(UserError, "not running"):
            running.action_cancel()

    def test_a_bad_file_does_not_stop_the_next(self):
        bad = self.receive(b"name,phone\nx,1\n", "phones.csv")
        good = self.upload(*self.lines(2))
        self.work()
        self.assertEqual((bad.state, good.state), ("refused", "done"))
        self.assertIn("must name the columns", bad.refusal)

    def test_damage_below_takes_all_back(self):
        """A file that turns out to be damaged after some of it was loaded leaves nothing half done."""
        usage_import = self.upload(*self.lines(9))
        calls = type(self.env["astpp.usage"])._load_calls
        loaded = []

        def break_down(usage, server, records, done=None):
            loaded.append(len(loaded))
            if len(loaded) == 3:
                raise ValueError("disk full")
            return calls(usage, server, records, done)

        self.patch(type(self.env["astpp.usage"]), "_load_calls", break_down)
        with self.assertLogs("odoo.addons.astpp_billing.models.ledger.astpp_usage_import_job", "ERROR"):
            self.work()
        self.assertEqual(usage_import.state, "refused")
        self.assertIn("disk full", usage_import.refusal)
        self.assertFalse(self.usage())

    def test_a_file_that_no_job_gets_through(self):
        """Jobs that are killed before they load a piece end some day, with a reason."""
        usage_import = self.upload(*self.lines(3))
        usage_import._astpp_own().write({"state": "running", "attempts": astpp_usage_import_job.MOST_ATTEMPTS})
        self.work()
        self.assertEqual(usage_import.state, "refused")
        self.assertIn("Split the file", usage_import.refusal)

    def test_running_imports_are_not_undone(self):
        usage_import = self.upload(*self.lines(6))
        with self.assertRaisesRegex(UserError, "Cancel it instead"):
            usage_import.action_undo()

    def test_stored_file(self):
        self.patch(stored_file, "PART", 10)
        usage_import = self.make_import()
        content = bytes(range(95))
        self.assertEqual(stored_file.store(usage_import, io.BytesIO(content)), 95)
        self.assertEqual(len(parts(usage_import)), 10)
        with stored_file.opened(usage_import) as file:
            self.assertEqual(file.read(), content)

    def test_calls_without_a_type(self):
        """Reports of resellers have no column Call Type: what they are is said once for the file."""
        heading = "Date,Caller ID,Called Number,Duration,Debit(USD),Account,Direction"
        line = '"{}","Ann <100>",442012345678,01:00,0.1,"Ann Example (A00001)",outbound'
        held = self.import_file(self.report(line.format(HOUR % 1), heading=heading))
        self.assertEqual((held.has_no_type, held.exception_count), (True, 1))
        held.action_undo()
        calls = self.import_file(self.report(line.format(HOUR % 1), heading=heading), untyped="standard")
        self.assertEqual(calls.exception_count, 0)
        self.assertEqual(self.usage().mapped("charge_type"), ["standard"])
        typed = self.import_file(self.report(self.report_line(type="", at=HOUR % 2)), untyped="standard")
        self.assertEqual((typed.has_no_type, typed.exception_count), (False, 1), "the column is there, and blank")
