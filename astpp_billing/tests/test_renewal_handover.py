from datetime import datetime, timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from .sync_common import SyncCommon


@tagged("post_install", "-at_install")
class TestRenewalHandover(SyncCommon):
    """When ASTPP or Odoo takes over renewals, no period is charged twice or not at all."""

    def setUp(self):
        super().setUp()
        self.start = datetime(2024, 3, 1)
        self.server.sync_from = self.start
        self.order_package()
        self.mariadb.insert("package_patterns", {"product_id": 3, "patterns": "^44.*", "destination": "UK"})
        self.charge(1, "2024-03-01 09:00:00")

    def charge(self, key, date):
        self.mariadb.insert(
            "invoice_details",
            {"id": key, "accountid": 13, "order_item_id": 40, "charge_type": "PACKAGE", "product_category": 1,
             "debit": "20", "created_date": date, "description": "Talk 500"},
        )  # fmt: skip

    def subscription(self):
        return self.env["astpp.subscription"].search([("server_id", "=", self.server.id)])

    def charges(self):
        usage = self.usage(("charge_type", "=", "package")).sorted("date")
        return [(line.source, str(line.date.date()), line.exception) for line in usage]

    @freeze_time("2024-03-10 10:00:00")
    def test_by_astpp(self):
        self.sync()
        subscription = self.subscription()
        self.assertEqual(
            (subscription.period_count, subscription.period_unit, subscription.state), (30, "day", "active")
        )
        self.assertEqual(subscription.product_id.astpp_destination_ids.mapped("prefix"), ["44"])
        self.assertEqual(subscription.allowance_ids.included_minutes, 500)
        line = self.usage(("charge_type", "=", "package"))
        self.assertEqual((line.subscription_id, line.exception), (subscription, False))
        with freeze_time("2024-04-10 10:00:00"):
            self.renew()
            self.assertEqual(self.charges(), [("charge", "2024-03-01", False)], "ASTPP renews, Odoo does not")
            self.mariadb.execute(
                "UPDATE order_items SET billing_date = '2024-03-30 00:00:01', next_billing_date = '2024-04-29 23:59:59'"
            )
            self.charge(2, "2024-03-30 22:00:00")
            self.sync()
        self.assertEqual(self.charges()[-1], ("charge", "2024-03-30", False))
        self.assertEqual(len(subscription.allowance_ids), 2)

    @freeze_time("2024-03-10 10:00:00")
    def test_by_odoo(self):
        with self.assertRaisesRegex(UserError, "Synchronise"):
            self.server.renewals_by = "odoo"
        self.sync()
        self.server.renewals_by = "odoo"
        subscription = self.subscription()
        self.assertEqual(subscription.next_date, datetime(2024, 3, 31), "ASTPP's period stays paid")
        with freeze_time("2024-03-31 08:00:00"):
            # ASTPP's own renewals are still switched on.
            self.charge(2, "2024-03-30 22:00:00")
            self.sync()
            self.renew()
        self.assertEqual(
            self.charges(),
            [
                ("charge", "2024-03-01", False),
                ("charge", "2024-03-30", "renewed"),
                ("subscription", "2024-03-31", False),
            ],
        )
        self.assertEqual(subscription.next_date, datetime(2024, 4, 30), "ASTPP's old dates do not come back")
        with freeze_time("2024-04-02 08:00:00"):
            self.sync()
            self.assertEqual(subscription.next_date, datetime(2024, 4, 30))
            self.server.renewals_by = "astpp"
            # ASTPP continues from its own dates: the period that Odoo charged, then the next one.
            self.charge(3, "2024-04-02 22:00:00")
            self.charge(4, "2024-04-29 22:00:00")
        with freeze_time("2024-04-30 08:00:00"):
            self.sync()
        self.assertEqual(self.charges()[-2:], [("charge", "2024-04-02", "renewed"), ("charge", "2024-04-29", False)])

    @freeze_time("2024-03-10 10:00:00")
    def test_changes_in_the_period_that_astpp_charged(self):
        """What ASTPP charged for the period counts as charged: 20 for 30 days from 1 March."""
        by_day = {"astpp_prorate": True, "astpp_refund_unused": True}
        self.sync()
        subscription = self.subscription()
        subscription.product_id.write(by_day)
        self.server.renewals_by = "odoo"
        self.assertEqual(
            subscription.line_ids.mapped(lambda line: (str(line.date), line.applied)), [("2024-03-01", True)]
        )
        days = {"astpp_period_unit": "day", "astpp_period_count": 30, **by_day}
        with freeze_time("2024-03-16 10:00:00"):
            subscription._plan_change(datetime(2024, 3, 16), self.make_product("package", price=60, **days))
        usage = self.usage(("source", "=", "subscription"))
        self.assertEqual(sorted(usage.mapped(lambda line: round(line.amount, 2))), [-10, 30], "15 of 30 days")
        with freeze_time("2024-03-21 10:00:00"):
            subscription._plan_change(datetime(2024, 3, 21), self.make_product("package", price=31, **by_day))
        usage = self.usage(("source", "=", "subscription"))
        self.assertEqual(
            sorted(usage.mapped(lambda line: round(line.amount, 2))), [-20, -10, 30, 31],
            "ten days are left, and months begin with the change",
        )  # fmt: skip
        self.assertEqual(subscription.next_date, datetime(2024, 4, 21))

    @freeze_time("2024-03-10 10:00:00")
    def test_astpp_decides_about_what_it_renews(self):
        """Changes in ASTPP are in the timeline, and Odoo charges nothing for them."""
        self.sync()
        self.mariadb.execute("UPDATE order_items SET price = 25, quantity = 2")
        self.sync()
        subscription = self.subscription()
        self.assertEqual((subscription.price, subscription.quantity), (12.5, 2), "ASTPP keeps the price of all pieces")
        self.assertEqual(subscription.line_ids.mapped(lambda line: (line.price, line.quantity)), [(12.5, 2)])
        self.assertFalse(self.usage(("source", "=", "subscription")))

    @freeze_time("2024-03-10 10:00:00")
    def test_an_end_in_astpp_ends_the_order_in_odoo(self):
        self.sync()
        self.server.renewals_by = "odoo"
        self.mariadb.execute(
            "UPDATE order_items SET is_terminated = 1, termination_date = '2024-03-20 00:00:01', termination_note = 'x'"
        )
        self.sync()
        subscription = self.subscription()
        self.assertEqual((subscription.state, subscription.next_date), ("terminated", False))
        with freeze_time("2024-04-10 10:00:00"):
            self.renew()
        self.assertEqual(len(self.charges()), 1)

    @freeze_time("2024-03-10 10:00:00")
    def test_owners_of_numbers(self):
        self.mariadb.insert("dids", {"id": 8, "number": "4420700", "accountid": 13, "product_id": 4})
        self.sync()
        did = self.env["astpp.did"].search([("server_id", "=", self.server.id)])
        self.assertEqual((did.state, did.assignment_ids.account_id), ("assigned", self.account(13)))
        self.mariadb.execute("UPDATE dids SET accountid = 12")
        self.sync()
        self.assertEqual(did.assignment_ids.filtered(lambda a: not a.date_end).account_id, self.account(12))
        self.mariadb.execute("UPDATE dids SET accountid = 0")
        self.sync()
        self.assertEqual((did.state, len(did.assignment_ids)), ("free", 2))

    @freeze_time("2024-03-10 10:00:00")
    def test_absurd_period_in_astpp(self):
        """A period longer than any calendar has no end, and the synchronisation goes on."""
        self.mariadb.execute("UPDATE order_items SET billing_days = 1000000000")
        self.mariadb.execute("UPDATE products SET billing_days = 1000000000")
        self.sync()
        subscription = self.subscription()
        self.assertEqual((subscription.period_count, subscription.product_id.astpp_period_count), (0, 0))

    def test_orders_of_numbers_wait_for_their_product(self):
        """If the product for numbers was deleted, only orders of numbers wait."""
        self.env.ref("astpp_billing.product_did").product_tmpl_id.unlink()
        self.sync()
        self.assertEqual(self.subscription().state, "active")

    def test_funds(self):
        self.mariadb.execute("UPDATE accounts SET balance = 12.5, credit_limit = 100 WHERE id = 13")
        self.mariadb.execute("UPDATE accounts SET balance = 7 WHERE id = 14")
        self.sync()
        self.assertEqual(self.account(13).available_funds, 87.5)
        self.assertEqual(self.account(14).available_funds, 7)
        self.assertLess(fields.Datetime.now() - self.server.sync_date, timedelta(minutes=5))
