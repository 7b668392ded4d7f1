from datetime import datetime
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from .sync_common import SyncCommon


@tagged("post_install", "-at_install")
class TestSyncGone(SyncCommon):
    """What is deleted in ASTPP, or was never sold there, is charged no more here."""

    def setUp(self):
        super().setUp()
        self.server.sync_from = datetime(2024, 3, 1)
        self.order_package()

    def more(self, count, **values):
        """Add so many orders of account 13."""
        self.mariadb.insert(
            "orders", *({"id": 100 + n, "order_id": f"o{n}", "accountid": 13, "payment_status": "PAID"} | values
                        for n in range(count))
        )  # fmt: skip
        self.mariadb.insert(
            "order_items",
            *({"id": 100 + n, "order_id": 100 + n, "product_category": 1, "product_id": 3, "quantity": 1, "price": "20",
               "billing_type": 1, "billing_days": 30, "accountid": 13, "billing_date": "2024-03-01 00:00:01",
               "next_billing_date": "2024-03-30 23:59:59", "termination_date": "0000-00-00 00:00:00"}
              for n in range(count)),
        )  # fmt: skip

    @freeze_time("2024-03-10 10:00:00")
    def test_deleted_order(self):
        """It ends, is told once, and does not hold up changes of its account that wait for ASTPP."""
        self.sync()
        self.server.write({"renewals_by": "odoo", "write_order": True})
        order = self.orders()
        order._plan_change(datetime(2024, 3, 31), quantity=2)
        order._plan_change(datetime(2024, 3, 10), quantity=3)
        waiting = self.env["astpp.outbox"].sudo().search([("subscription_id", "=", order.id)])
        self.assertEqual(waiting.mapped("state"), ["waiting"])
        self.mariadb.execute("DELETE FROM order_items")
        self.sync()
        self.assertEqual((order.state, order.next_date, order.close_reason), ("terminated", False, "Deleted in ASTPP"))
        self.assertFalse(order.line_ids.filtered(lambda line: not line.applied))
        self.assertFalse(waiting.filtered(lambda entry: entry.state in ("waiting", "failed")))
        alert = self.server._alerts("gone_orders")
        self.assertIn(order.name, alert.note)
        self.assertIn("deleted in ASTPP", self.step("orders").message)
        with freeze_time("2024-04-10 10:00:00"):
            self.renew()
            self.sync()
        self.assertFalse(self.usage(("source", "=", "subscription")))
        self.assertTrue(alert.exists(), "until somebody has read it")

    @freeze_time("2024-03-10 10:00:00")
    def test_an_empty_table_ends_nothing(self):
        """Most orders do not vanish: that is another database, or one that is being restored."""
        self.more(12)
        self.sync()
        self.mariadb.execute("DELETE FROM order_items")
        self.sync()
        self.assertEqual(set(self.orders().mapped("state")), {"active"})
        self.assertIn("right database", self.server._alerts("missing_orders").note)
        self.mariadb.execute(
            "INSERT INTO order_items (id, order_id, product_category, product_id, quantity, price, setup_fee,"
            " billing_type, billing_days, free_minutes, accountid, billing_date, next_billing_date, is_terminated,"
            " termination_date, termination_note) SELECT id, id, 1, 3, 1, 20, 0, 1, 30, 0, 13, '2024-03-01 00:00:01',"
            " '2024-03-30 23:59:59', 0, '0000-00-00 00:00:00', '' FROM orders WHERE id >= 100"
        )
        self.sync()
        self.assertFalse(self.server._alerts("missing_orders"), "one of thirteen is gone, and has ended")
        self.assertEqual(len(self.orders().filtered(lambda order: order.state == "terminated")), 1)

    @freeze_time("2024-03-10 10:00:00")
    def test_order_whose_payment_failed(self):
        self.more(1, payment_status="FAIL")
        self.sync()
        self.assertEqual(self.orders().mapped("astpp_id"), [90], "nothing was sold")
        self.mariadb.execute("UPDATE orders SET payment_status = 'FAIL' WHERE id = 40")
        self.sync()
        self.assertEqual(self.orders().state, "terminated")

    @freeze_time("2024-03-10 10:00:00")
    def test_prepaid_charges_have_receipts_and_are_not_held(self):
        self.mariadb.execute("UPDATE accounts SET posttoexternal = 0 WHERE id = 13")
        self.mariadb.insert(
            "invoice_details",
            *({"id": n, "accountid": account, "charge_type": "PACKAGE", "product_category": 1, "debit": "20",
               "created_date": "2024-03-02 09:00:00", "description": "Talk", "invoiceid": 7}
              for n, account in ((1, 13), (2, 12))),
        )  # fmt: skip
        self.sync()
        charges = self.usage(("source", "=", "charge")).sorted(lambda line: int(line.source_key))
        self.assertEqual(charges.mapped("prepaid"), [True, False])
        self.assertEqual(charges.mapped("exception"), [False, "astpp_invoiced"])
        self.sync()
        self.assertEqual(charges.mapped("exception"), [False, "astpp_invoiced"])


@tagged("post_install", "-at_install")
class TestSyncOlderVersions(SyncCommon):
    """ASTPP 4.0 and 4.0.1 lack columns of later ones, and keep time zones as offsets."""

    def make_older(self, version, *statements):
        self.mariadb.execute("UPDATE `system` SET value = %s WHERE name = 'version'", (version,))
        for statement in statements:
            self.mariadb.execute(statement)

    def test_versions(self):
        zone = "ALTER TABLE timezone DROP COLUMN timezone_name, DROP COLUMN timezone_digit, ADD gmtzone varchar(255)"
        for version, statements in (
            ("6.0.1", ()),
            ("5.0", ()),
            ("4.0.1", [zone]),
            ("4.0", ["ALTER TABLE accounts DROP COLUMN last_bill_date"]),
        ):
            with self.subTest(version):
                self.make_older(version, *statements)
                self.server.action_test_connection()
                self.assertNotIn("supported", self.server.check_report)
                self.assertNotIn("lacks", self.server.check_report)
                self.sync()
        self.assertEqual(len(self.env["astpp.account"].search([("server_id", "=", self.server.id)])), 5)
        self.make_older("3.6")
        self.server.action_test_connection()
        self.assertIn("versions 4.0 to 6 are supported", self.server.check_report)

    def test_zones_by_offset_and_country(self):
        """Germany has one at +1:00; at -7:00 the United States have some with summer time and one without."""
        self.make_older("4.0.1", "ALTER TABLE timezone DROP COLUMN timezone_name")
        self.mariadb.execute("INSERT INTO timezone (id, gmttime, gmtoffset) VALUES (60, 'MST', -25200)")
        self.mariadb.execute("UPDATE accounts SET timezone_id = 50, country_id = 85 WHERE id = 12")
        self.mariadb.execute("UPDATE accounts SET timezone_id = 60, country_id = 203 WHERE id = 13")
        self.sync()
        self.assertEqual(self.account(12).tz, "Europe/Berlin")
        message = self.step("accounts").message
        self.assertIn("C13", message)
        self.assertNotIn("C12", message)
        self.assertNotIn("R7", message, "it has none in ASTPP")


@tagged("post_install", "-at_install")
class TestSyncContacts(SyncCommon):
    """Contacts follow ASTPP's names and addresses while nobody has changed them here."""

    def test_contact_follows(self):
        self.sync()
        partner = self.account(12).partner_id
        partner.phone = "+1 555 0100"
        self.mariadb.execute(
            "UPDATE accounts SET first_name = 'Carla', last_name = 'Maria', email = 'new@example.com',"
            " telephone_1 = '+1 555 0199', city = 'Springfield' WHERE id = 12"
        )
        self.sync()
        self.assertEqual((partner.name, partner.email, partner.city), ("Carla Maria", "new@example.com", "Springfield"))
        self.assertEqual(partner.phone, "+1 555 0100", "changed here")
        partner.city = "Shelbyville"
        self.sync()
        self.assertEqual(partner.city, "Shelbyville", "nothing is new in ASTPP")

    def test_a_contact_that_cannot_follow_stops_nobody(self):
        self.sync()
        bad, good = self.account(5).partner_id, self.account(12).partner_id
        cls, write = type(bad), type(bad).write

        def fail(partners, vals):
            if bad in partners and "city" in vals:
                raise UserError(self.env._("Deleted in ASTPP"))
            return write(partners, vals)

        self.mariadb.execute("UPDATE accounts SET city = 'X'")
        with patch.object(cls, "write", fail):
            self.sync()
        self.assertEqual((bad.city, good.city), (False, "X"))
        self.assertIn("Deleted in ASTPP", self.step("accounts").message)
        self.sync()
        self.assertEqual(bad.city, "X", "tried again")
