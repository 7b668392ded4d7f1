from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import HttpCase, new_test_user, tagged

from .sync_common import SyncCommon


@tagged("post_install", "-at_install")
class TestSyncHealth(SyncCommon):
    """One look says how a server is doing."""

    def test_from_never_to_good(self):
        self.assertEqual(self.server.health, "warning", "never synchronised")
        self.mariadb.execute("UPDATE cron_settings SET status = 1")
        self.server.sync_enabled = True
        self.call(debit="0.5")
        self.call(account=4711)
        self.sync()
        self.server.invalidate_recordset()
        self.assertEqual((self.server.health, self.server.cron_warnings), ("good", False))
        self.assertEqual((self.server.held_count, self.server.held_amount), (1, 0.1))
        self.assertEqual(self.server.last_call_date, self.day)
        self.assertEqual((self.server.sync_progress, self.server.health_note), (100, False))

    def test_crons_that_would_bill_twice(self):
        self.mariadb.insert(
            "cron_settings", {"name": "Generate Invoice", "status": 0}, {"name": "Manage Services", "status": 0}
        )
        self.sync()
        self.assertIn("Generate Invoice is on", self.server.cron_warnings)
        self.assertNotIn("Manage Services", self.server.cron_warnings, "renewals are ASTPP's")
        self.assertEqual(self.server.health, "warning")
        self.server.renewals_by = "odoo"
        self.sync()
        self.assertIn("Manage Services is on", self.server.cron_warnings)
        self.mariadb.execute("UPDATE cron_settings SET status = 1")
        self.sync()
        self.assertFalse(self.server.cron_warnings)

    def test_differences_and_failures(self):
        self.server.sync_enabled = True
        self.call()
        self.sync()
        self.mariadb.execute("DELETE FROM cdrs")
        self.sync()
        self.server.invalidate_recordset()
        self.assertEqual((self.server.difference_count, self.server.health), (1, "warning"))
        self.assertEqual(self.server.action_view_differences()["res_model"], "astpp.reconciliation")
        self.server._astpp_own().write({"sync_state": "failed", "sync_error": "gone"})
        self.server.invalidate_recordset()
        self.assertEqual(self.server.health, "bad")

    def test_stale(self):
        self.server.sync_enabled = True
        self.sync()
        self.server._astpp_own().sync_date = fields.Datetime.now() - timedelta(hours=3)
        self.server.invalidate_recordset()
        self.assertEqual(self.server.health, "warning")
        self.assertIn("The last success was more than two hours ago.", self.server.health_note)

    def test_progress(self):
        steps = self.server._astpp_own()._start_steps()
        steps["accounts"]._astpp_own().write({"state": "done"})
        steps["cdr"]._astpp_own().write({"state": "running", "read_count": 50, "remaining_count": 50})
        self.assertAlmostEqual(self.server.sync_progress, 100 * 1.5 / len(steps), 2)
        self.assertEqual(self.server.sync_activity, "Calls: 50 rows read")

    def test_overview_is_for_accountants(self):
        clerk = new_test_user(self.env, login="health-clerk", groups="base.group_user")
        accountant = new_test_user(self.env, login="health-accountant", groups="account.group_account_invoice")
        servers = self.env["astpp.server"]
        with self.assertRaises(AccessError):
            servers.with_user(clerk).sync_overview()
        overview = servers.with_user(accountant).sync_overview()
        self.assertFalse(overview["may_sync"])
        self.assertIn("Live", [server["name"] for server in overview["servers"]])
        self.assertNotIn("password", str(overview))
        self.assertTrue(servers.sync_overview()["may_sync"])


@tagged("post_install", "-at_install")
class TestSyncTray(HttpCase):
    """Administrators start a synchronisation from any screen."""

    def test_tray(self):
        server = self.env["astpp.server"].create(
            {"name": "Tray", "host": "127.0.0.1", "user": "x", "password": "y", "sync_enabled": False}
        )
        self.start_tour("/odoo", "astpp_sync_tray", login="admin", timeout=120)
        self.assertEqual(server.sync_state, "running")
