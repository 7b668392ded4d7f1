from datetime import datetime, timedelta

from odoo import fields
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from ..models.sync.sync_run import SyncRun
from .sync_common import SyncCommon


@tagged("post_install", "-at_install")
class TestSyncCalls(SyncCommon):
    """Calls of a real ASTPP database, from their tables to the ledger."""

    def test_calls_of_every_kind(self):
        self.call(debit="0.3", billseconds=125)
        self.call(account=7, table="reseller_cdrs", debit="0.24")
        self.call(account=5, table="reseller_cdrs", debit="0.18")
        self.call(calltype="FREE", debit="0.5", package_id=3)
        self.call(calltype="DID", call_direction="inbound", pattern="")
        self.call(calltype="LOCAL")
        self.call(calltype="", call_direction="inbound", uniqueid="xDID@IP_12")
        self.call(billseconds=0, debit=0, disposition="USER_BUSY [17]")
        self.call(debit=0)
        self.call(debit=1, rate_cost=20, billseconds=3720)
        self.call(billseconds=99999)
        self.call(account=None)
        self.call(account=4711)
        self.call(account=14)
        self.call(notes="C&ocirc;te d&#039;Ivoire – 中文")
        twin = self.call()
        self.mariadb.insert("cdrs", twin)
        self.sync()
        exceptions = sorted(filter(None, self.usage().mapped("exception")))
        self.assertEqual(exceptions, ["clamped", "duplicate", "suspect_rating", "unknown_account", "unknown_account"])
        self.assertEqual(
            len(self.usage(("charge_type", "=", "did"), ("exception", "=", False))), 2, "one of them DID@IP"
        )
        self.assertEqual(len(self.usage(("source", "=", "cdr"))), 15)
        self.assertEqual(self.usage(("source", "=", "reseller_cdr")).mapped("amount"), [0.24, 0.18])
        self.assertEqual(self.usage(("charge_type", "=", "free")).mapped("amount"), [0])
        self.assertTrue(self.usage(("destination", "=", "Côte d'Ivoire – 中文")))
        self.assertFalse(
            self.env["astpp.reconciliation"].search([("server_id", "=", self.server.id), ("reason", "!=", False)])
        )
        self.assertTrue(self.env["astpp.reconciliation"].search([("server_id", "=", self.server.id)]))
        totals = self.env["astpp.reconciliation"].search([("server_id", "=", self.server.id), ("is_total", "=", True)])
        self.assertEqual(sum(totals.mapped("astpp_count")), 17)
        self.assertEqual(totals.mapped("count_difference"), [0] * len(totals))

    def test_caller_ids_cannot_shift_fields(self):
        """Callers choose their caller ID, and separators in it must not shift the price into another field."""
        self.call(callerid="\x1f0\x1f\t\\N\n<1>", callednum="44\x1f1\t\\2", debit="0.3")
        self.sync()
        usage = self.usage()
        self.assertEqual((usage.amount, usage.duration, usage.caller), (0.3, 60, "0  \\N <1>"))
        self.assertEqual(usage.callee, "44 1 \\2")

    def test_unreadable_calls_are_listed(self):
        self.call()
        self.mariadb.execute("UPDATE cdrs SET billseconds = -5")
        self.call()
        self.sync()
        message = self.step("cdr").message
        self.assertIn("1 rows cannot be read", message)
        self.assertIn("billseconds: '-5'", message)
        self.assertIn("call-1", message)
        self.assertEqual(len(self.usage()), 1)

    def test_second_run_adds_nothing_and_late_calls_come(self):
        for hour in range(5):
            self.call(at=self.day - timedelta(hours=hour))
        self.sync()
        self.assertEqual(self.step("cdr").added_count, 5)
        self.sync()
        self.assertEqual((self.step("cdr").read_count, self.step("cdr").added_count), (0, 0))
        self.call(at=self.day - timedelta(hours=2))
        self.sync()
        self.assertEqual((self.step("cdr").read_count, self.step("cdr").added_count), (2, 1))

    def test_package_of_another_account_is_not_linked(self):
        self.order_package()
        for account in (12, 13):
            self.call(account=account, calltype="FREE", package_id=40)
        self.sync()
        linked = {usage.account_id.astpp_id: bool(usage.subscription_id) for usage in self.usage()}
        self.assertEqual(linked, {12: False, 13: True})

    def test_calls_of_unknown_accounts_stay_held(self):
        """Once the account is known, twins and suspicious calls are still held until they are released."""
        twin = self.call(account=77)
        self.mariadb.insert("cdrs", twin)
        self.call(account=77, debit=1, rate_cost=20, billseconds=3720, at=self.day - timedelta(hours=1))
        self.sync()
        self.assertEqual(set(self.usage().mapped("exception")), {"unknown_account"})
        self.mariadb.insert("accounts", {"id": 77, "number": "C77", "posttoexternal": 1})
        self.sync()
        self.assertEqual(self.usage().account_id, self.account(77))
        self.assertEqual(sorted(map(str, self.usage().mapped("exception"))), ["False", "duplicate", "suspect_rating"])
        self.assertFalse(any(self.usage().mapped("second_exception")))

    def test_calls_before_the_start_are_not_loaded(self):
        self.call(at=self.day - timedelta(days=30))
        self.sync()
        self.assertFalse(self.usage())

    def test_changed_call_is_not_billed_twice(self):
        row = self.call()
        self.sync()
        self.mariadb.execute("UPDATE cdrs SET debit = 5 WHERE uniqueid = %s", (row["uniqueid"],))
        self.sync()
        self.assertEqual(self.usage().mapped("exception"), [False, "changed"])
        difference = self.env["astpp.reconciliation"].search(
            [("server_id", "=", self.server.id), ("reason", "!=", False)]
        )
        self.assertEqual((difference.reason, difference.count_difference), ("gone", -1))

    def test_purged_calls_stay(self):
        self.call()
        self.sync()
        self.mariadb.execute("DELETE FROM cdrs")
        self.mariadb.execute("DELETE FROM accounts WHERE id = 12")
        self.sync()
        self.assertEqual(len(self.usage()), 1)
        self.assertTrue(self.account(12))
        self.assertEqual(self.env["astpp.reconciliation"].search([("reason", "!=", False)]).reason, "gone")

    def test_lost_line_is_found_by_reconciliation(self):
        self.call()
        self.call()
        self.sync()
        self.env["astpp.usage"]._remove(SQL("u.id = %s", self.usage()[0].id), ("id",))
        self.sync()
        self.assertEqual(len(self.usage()), 2)
        self.assertFalse(self.env["astpp.reconciliation"].search([("reason", "!=", False)]))

    @mute_logger("odoo.sql_db")
    def test_window(self):
        """The first run covers everything since the start, later ones the look-back, and a nightly run five weeks."""
        start = self.server.sync_from.replace(minute=0, second=0)
        self.assertEqual(SyncRun(self.server).window[0], fields.Datetime.to_string(start))
        self.server._astpp_own().sync_wide_date = fields.Datetime.now()
        near = datetime.fromisoformat(SyncRun(self.server).window[0])
        self.assertEqual((fields.Datetime.now() - near).days, 3)
        self.server._astpp_own().sync_wide_date -= timedelta(days=1)
        self.assertEqual(SyncRun(self.server).window[0], fields.Datetime.to_string(start))
