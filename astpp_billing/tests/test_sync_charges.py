import tracemalloc
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import freeze_time, tagged
from odoo.tools import SQL

from ..connector.charges import read_charges
from .sync_common import SyncCommon

CHARGES = "odoo.addons.astpp_billing.models.sync.astpp_usage"


@tagged("post_install", "-at_install")
class TestSyncCharges(SyncCommon):
    """ASTPP's charges, however many of them wait and however many orders there are."""

    def wait_for_invoice(self, ids):
        """Have charges of account 12 wait in the ledger, for the ASTPP ids that a query (text) returns."""
        self.env.flush_all()
        account = self.account(12)
        self.env.cr.execute(
            f"""
            INSERT INTO astpp_usage (server_id, company_id, currency_id, source, source_key, account_id, date, charge_type,
                                     amount, rated_amount)
            SELECT %s, %s, %s, 'charge', id, %s, '2024-01-05', 'charge', 1, 1 FROM ({ids}) AS ids(id)
            """,
            (self.server.id, self.server.company_id.id, self.server.currency_id.id, account.id),
        )
        self.env["astpp.usage"]._retotal(SQL("u.total_id IS NULL"))

    def charge_in_astpp(self, sequence, invoice="0"):
        self.mariadb.execute(
            f"""
            INSERT INTO invoice_details (id, accountid, charge_type, debit, created_date, invoiceid)
            SELECT seq, 12, 'POSTCHARGE', 1, '2024-01-05 00:00:00', {invoice} FROM {sequence}
            """
        )

    def check(self):
        with self.server._open() as database:
            return self.env["astpp.usage"]._check_charges(self.server, database)

    def held(self):
        query = "SELECT exception, count(*) FROM astpp_usage WHERE server_id = %s GROUP BY 1"
        self.env.cr.execute(query, (self.server.id,))
        return dict(self.env.cr.fetchall())

    def test_waiting_charges_take_no_memory(self):
        """Any number of waiting charges is compared row by row, as ASTPP sends them."""
        self.sync()
        self.charge_in_astpp("seq_1_to_20000", "IF(seq % 4, 0, 7)")
        self.mariadb.execute("DELETE FROM invoice_details WHERE id % 10 = 1")
        self.wait_for_invoice("SELECT generate_series(1, 20000)")
        tracemalloc.start()
        try:
            held = self.check()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        self.assertEqual((held, self.held()), (7000, {None: 13000, "astpp_invoiced": 5000, "gone": 2000}))
        self.assertLess(peak, 8_000_000, "bytes")
        self.assertEqual(self.check(), 0)

    def test_only_what_waits_is_compared(self):
        """Billed, held and released charges stay as they are, and other accounts' rows in between do not matter."""
        self.sync()
        self.charge_in_astpp("seq_1_to_5000", "7")
        self.wait_for_invoice("VALUES (5), (6), (7), (4000), (4999), (90000), (4000000000)")
        user = self.env.user.id
        self.env.cr.execute("UPDATE astpp_usage SET exception = 'blank_type' WHERE source_key = '6'")
        self.env.cr.execute("UPDATE astpp_usage SET released_by_id = %s WHERE source_key = '7'", (user,))
        with patch(f"{CHARGES}.GAP", 100):
            self.assertEqual(self.check(), 5)
        self.assertEqual(self.held(), {None: 1, "blank_type": 1, "astpp_invoiced": 3, "gone": 2})

    def test_nothing_waits(self):
        self.assertEqual(self.check(), 0)

    def test_charges_of_many_orders(self):
        """The time to find the charges' orders does not grow with charges times orders."""
        count = 3000
        self.mariadb.execute(
            f"""
            INSERT INTO order_items (id, order_id, product_category, product_id, billing_type, accountid)
            SELECT seq, seq + 1000000, 1, seq, 1, 12 FROM seq_1_to_{count}
            """
        )
        self.mariadb.execute(
            f"""
            INSERT INTO invoice_details (accountid, charge_type, order_item_id, debit, created_date)
            SELECT 12, 'PACKAGE', seq + 1000000, 1, '2024-01-05 00:00:00' FROM seq_1_to_{count}
            """
        )
        with self.server._open() as database:
            charges = list(read_charges(database, 0, "2024-01-01 00:00:00", lambda reason, _key: self.fail(reason)))
            reads = dict(database.rows("SHOW SESSION STATUS LIKE 'Handler_read%'"))
        self.assertEqual([charge.product_id for charge in charges], list(range(1, count + 1)))
        self.assertLess(sum(map(int, reads.values())), 20 * count, "rows looked at")

    def test_charges_come_batch_by_batch(self):
        """Accounts and orders are looked up batch by batch, and charges read again are recognised."""
        self.order_package()
        for account in (12, 13, 4711, 13):
            self.mariadb.insert(
                "invoice_details",
                {"accountid": account, "charge_type": "PACKAGE", "order_item_id": 40, "product_category": 1,
                 "debit": 5, "created_date": self.day},
            )  # fmt: skip
        with patch(f"{CHARGES}.BATCH", 1):
            self.sync()
        usage = self.usage(("source", "=", "charge"))
        self.assertEqual(usage.mapped("exception"), [False, False, "unknown_account", False])
        self.assertEqual([bool(line.subscription_id) for line in usage], [False, True, False, True])
        self.sync()
        self.assertEqual((self.step("charges").read_count, self.step("charges").added_count), (4, 0))


@tagged("post_install", "-at_install")
class TestChargesFollow(SyncCommon):
    """Unbilled charges are what ASTPP has now; whatever differs is in the report, with the day since when."""

    def setUp(self):
        super().setUp()
        self.charge(1, debit="5", description="Router")
        self.sync()

    def charge(self, key, **values):
        row = {"id": key, "accountid": 13, "charge_type": "POSTCHARGE", "debit": "1", "created_date": self.day} | values
        self.mariadb.insert("invoice_details", row)

    def edit(self, key=1, **values):
        columns = ", ".join(f"{name} = %s" for name in values)
        self.mariadb.execute(f"UPDATE invoice_details SET {columns} WHERE id = %s", (*values.values(), key))

    def line(self, key=1):
        return self.usage(("source", "=", "charge"), ("source_key", "=", str(key)))

    def night(self):
        self.server._astpp_own().sync_wide_date = fields.Datetime.now() - timedelta(days=1)
        self.sync()

    def differences(self):
        return self.env["astpp.reconciliation"].search(
            [("server_id", "=", self.server.id), ("source", "=", "charge"), ("reason", "!=", False)]
        )

    def test_edited_charge(self):
        self.edit(debit="7.5", created_date=self.day - timedelta(days=1))
        self.sync()
        line = self.line()
        self.assertEqual((line.amount, line.rated_amount, line.exception), (7.5, 7.5, False))
        self.assertEqual(line.date, self.day - timedelta(days=1))
        self.assertEqual(line.total_id.amount, 7.5)
        self.assertEqual(self.step("charges").changed_count, 1)
        self.sync()
        self.assertEqual(self.step("charges").changed_count, 0)
        self.night()
        self.assertFalse(self.differences())

    def test_charge_that_moves_to_another_account(self):
        self.edit(accountid=12, charge_type="COMMISSION", debit="0", credit="3")
        self.sync()
        line = self.line()
        self.assertEqual((line.account_id, line.amount, line.charge_type), (self.account(12), -3, "commission"))
        self.assertEqual(line.partner_id, self.account(12).partner_id)

    def test_billed_charge_stays_and_is_in_the_report(self):
        """What is on an invoice does not change; the report says that ASTPP has it otherwise, since when and why."""
        line = self.line()
        self.bill(self.account(13), date=fields.Date.today(), invoice_date=fields.Date.today())
        self.assertTrue(line.move_line_id)
        self.edit(debit="9")
        self.night()
        self.assertEqual(line.amount, 5)
        different = self.differences()
        self.assertEqual(
            (different.reason, different.amount_difference, different.account_id), ("changed", 4, self.account(13))
        )
        found = different.found_date
        with freeze_time(fields.Datetime.now() + timedelta(days=1)):
            self.night()
        self.assertEqual(self.differences().found_date, found)

    def test_late_charge_with_a_low_id(self):
        """Rows that come with lower ids than what was read, far below the overlap, are found at night."""
        self.charge(5000)
        self.sync()
        self.charge(2, debit="3")
        self.sync()
        self.assertFalse(self.line(2))
        self.night()
        self.assertEqual(self.line(2).amount, 3)
        self.assertFalse(self.differences())

    def test_usage_from_that_is_set_back(self):
        self.charge(3, created_date=self.day - timedelta(days=50))
        self.server.sync_from = self.day - timedelta(days=60)
        self.night()
        self.assertEqual(self.line(3).amount, 1)

    def test_deleted_charge_is_held_and_in_the_report(self):
        self.mariadb.execute("DELETE FROM invoice_details")
        self.night()
        self.assertEqual(self.line().exception, "gone")
        self.assertEqual(self.differences().reason, "gone")
