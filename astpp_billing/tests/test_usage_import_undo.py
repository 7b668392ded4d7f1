from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .import_common import ImportCommon


@tagged("post_install", "-at_install")
class TestUsageImportUndo(ImportCommon):
    """Undoing an import takes back its calls, except those on invoices."""

    def billed_import(self):
        """Import three calls, and bill those of January."""
        rows = [
            self.row(self.customer, callstart=f"2024-{month}-15 12:00:00", debit="1") for month in ("01", "02", "03")
        ]
        done = self.import_file(self.csv_file(*rows))
        return done, self.bill(self.customer).move_ids

    def test_undo(self):
        other = self.import_file(self.csv_file(self.row(self.customer)))
        twin = self.row(self.customer)
        done = self.import_file(self.csv_file(twin, twin, self.row(None) | {"accountid": "4711"}))
        self.assertEqual(self.env["astpp.usage"].search(done.action_view_lines()["domain"]).import_id, done)
        self.assertEqual(done.left_count, 3)
        answer = done.action_undo()
        self.assertIn("3 lines were taken back", answer["params"]["message"])
        self.assertEqual((done.state, done.undone_count, done.left_count), ("undone", 3, 0))
        self.assertEqual(self.usage().import_id, other)
        done.action_undo()
        self.assertEqual((done.undone_count, len(self.usage())), (3, 1), "pressed twice is once")

    def test_import_again_after_undo(self):
        wrong = self.import_file("report.csv", tz="UTC")
        wrong.action_undo()
        right = self.import_file("report.csv", tz="Europe/Berlin")
        self.assertEqual((right.added_count, right.exception_count), (2, 0))
        self.assertEqual(str(self.usage()[0].date), "2024-01-15 11:00:00")
        self.assertEqual(self.bill(self.customer).move_ids.amount_untaxed, 6.21)

    def test_undo_what_is_billed(self):
        done, move = self.billed_import()
        done.action_undo()
        self.assertEqual((done.state, done.undone_count, done.left_count), ("partly", 2, 1))
        self.assertEqual(self.usage().move_id, move)
        self.assertLedgerHolds()
        with self.assertRaisesRegex(UserError, "Invoices bill lines"):
            done.unlink()
        self.assertEqual(len(self.usage()), 1)
        move.button_cancel()
        done.action_undo()
        self.assertEqual((done.state, done.undone_count, done.left_count), ("undone", 3, 0))
        self.assertFalse(self.usage())

    def test_delete(self):
        done = self.import_file("report.csv")
        done.unlink()
        self.assertFalse(self.usage())
        billed, _move = self.billed_import()
        with self.assertRaises(UserError), self.env.cr.savepoint():
            billed.unlink()
        self.assertEqual((billed.state, len(self.usage())), ("done", 3), "all of it or nothing")
        self.make_import().unlink()

    def test_nothing_to_undo(self):
        refused = self.import_file("report_in_euro.csv")
        old = self.import_file("report.csv")
        self.env.cr.execute("UPDATE astpp_usage SET import_id = NULL")
        self.env.invalidate_all()
        for usage_import in (self.make_import(), refused, old):
            with self.assertRaises(UserError):
                usage_import.action_undo()
        self.assertEqual(len(self.usage()), 2)

    def test_calls_of_the_tables_are_read_again(self):
        """The synchronisation took the file's calls as known, so it must read them now."""
        slices = self.env["astpp.sync.slice"].create(
            [
                {"server_id": self.server.id, "source": source, "start": f"2024-01-{day} 12:00:00", "fingerprint": "x"}
                for source, day in (("cdr", 15), ("cdr", 16), ("reseller_cdr", 15))
            ]
        )
        self.import_file(
            self.csv_file(self.row(self.customer), columns=(*self.row(self.customer), "sip_user"))
        ).action_undo()
        slices.invalidate_recordset()
        self.assertEqual(slices.mapped("fingerprint"), ["", "x", "x"])

    def test_calls_held_because_of_the_import_are_reported(self):
        done = self.import_file(self.report(self.report_line()))
        self.load(self.row(self.customer))
        answer = done.action_undo()
        self.assertIn("1 other calls are still held as duplicates", answer["params"]["message"])
        self.assertEqual(self.usage().exception, "duplicate")

    def test_minutes_follow(self):
        """Used minutes no longer count calls that were taken back."""
        allowance = self.subscribe(self.customer, self.make_product("package", astpp_free_minutes=100)).allowance_ids
        call = self.row(self.customer, calltype="FREE", billseconds="600", callstart=allowance.period_start)
        done = self.import_file(self.csv_file(call))
        self.env.invalidate_all()
        self.assertEqual(allowance.used_minutes, 10)
        done.action_undo()
        self.assertEqual(allowance.used_minutes, 0)

    def test_who_may_undo(self):
        done = self.import_file("report.csv")
        reader = new_test_user(self.env, login="reader", groups="base.group_user,account.group_account_readonly")
        other = self._create_company(name="Other company")
        stranger = new_test_user(
            self.env, login="stranger", groups="base.group_user,account.group_account_manager",
            company_id=other.id, company_ids=[(6, 0, other.ids)],
        )  # fmt: skip
        for user in (reader, stranger):
            for action in ("action_undo", "unlink"):
                with self.assertRaises(AccessError):
                    getattr(done.with_user(user), action)()
        self.assertEqual(len(self.usage()), 2)
        clerk = new_test_user(self.env, login="clerk", groups="base.group_user,account.group_account_invoice")
        done.with_user(clerk).action_undo()
        self.assertFalse(self.usage())

    def test_other_file_with_the_same_settings(self):
        refused = self.import_file("report_in_euro.csv", tz="Europe/Berlin", clock="local")
        action = refused.action_start_another()
        another = self.env["astpp.usage.import"].with_context(**action["context"]).create({})
        self.assertEqual((another.tz, another.clock, another.server_id), ("Europe/Berlin", "local", self.server))
