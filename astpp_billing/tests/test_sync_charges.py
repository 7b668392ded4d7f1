import tracemalloc
from unittest.mock import patch

from odoo.tests import tagged
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
