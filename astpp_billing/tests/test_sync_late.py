from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged

from ..connector import calls
from ..models.sync import sync_run
from .sync_common import SyncCommon


@tagged("post_install", "-at_install")
class TestSyncLate(SyncCommon):
    """Calls of any age that appear, change or vanish in ASTPP after they were read are found once a night."""

    def setUp(self):
        super().setUp()
        self.old = self.day - timedelta(days=100)
        self.server.sync_from = self.day - timedelta(days=200)
        self.call(at=self.old)
        self.call(at=self.day)
        self.sync()

    def night(self):
        """Have the next synchronisation look at the whole history, and return how many months it read again."""
        self.server._astpp_own().sync_wide_date = fields.Datetime.now() - timedelta(days=1)
        months = []

        def read(database, source, start, end):
            months.append(start[:7])
            return calls.read_slices(database, source, start, end)

        with patch.object(sync_run, "read_slices", read):
            self.sync()
        return len(months)

    def differences(self):
        return self.env["astpp.reconciliation"].search([("server_id", "=", self.server.id), ("reason", "!=", False)])

    def test_idle_nights_read_no_month(self):
        self.assertEqual(self.night(), 0)
        self.assertEqual(self.night(), 0)

    def test_late_call(self):
        self.call(at=self.old + timedelta(days=3), debit="0.7")
        self.sync()
        self.assertEqual(len(self.usage()), 2, "the look-back of the day does not reach it")
        self.assertEqual(self.night(), 1)
        self.assertEqual(self.usage().mapped("amount"), [0.1, 0.1, 0.7])
        self.assertFalse(self.differences())
        totals = self.env["astpp.reconciliation"].search([("is_total", "=", True), ("astpp_amount", "=", 0.7)])
        self.assertEqual(totals.day, (self.old + timedelta(days=3)).date(), "the day is in the report")
        self.assertEqual(self.night(), 0)

    def test_old_call_that_changed(self):
        self.mariadb.execute("UPDATE cdrs SET debit = 5 WHERE uniqueid = 'call-1'")
        self.night()
        self.assertEqual(self.usage().sorted("date").mapped("exception"), [False, "changed", False])
        self.assertEqual(self.differences().reason, "gone")

    def test_purged_months_are_left_alone(self):
        self.mariadb.execute("DELETE FROM cdrs WHERE uniqueid = 'call-1'")
        self.assertEqual(self.night(), 0)
        self.assertEqual(len(self.usage()), 2, "evidence stays")

    def test_partly_purged_month_makes_no_differences(self):
        """Days before the first call that is left are compared no more."""
        self.call(at=self.old + timedelta(days=2))
        self.night()
        self.mariadb.execute("DELETE FROM cdrs WHERE uniqueid = 'call-1'")
        if self.night():
            self.night()
        self.assertFalse(self.differences())
        self.assertEqual(len(self.usage()), 3)

    def test_usage_from_that_is_set_back(self):
        self.call(at=self.day - timedelta(days=250))
        self.assertEqual(self.night(), 0)
        self.server.sync_from = self.day - timedelta(days=300)
        self.assertEqual(self.night(), 1)
        self.assertEqual(len(self.usage()), 3)

    def test_resellers_calls(self):
        self.call(account=7, table="reseller_cdrs", at=self.old, debit="0.3")
        self.assertEqual(self.night(), 1)
        self.assertEqual(self.usage(("source", "=", "reseller_cdr")).amount, 0.3)
