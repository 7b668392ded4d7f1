import logging
from datetime import datetime, timedelta
from unittest.mock import patch

import pytz

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import config

from .mariadb import READER
from .sync_common import SyncCommon


@tagged("post_install", "-at_install")
class TestSync(SyncCommon):
    """From a real ASTPP database to the ledger (ASTPP facts 9 lists the fixtures)."""

    def test_accounts(self):
        self.sync()
        carla = self.account(12)
        self.assertEqual((carla.parent_id, carla.parent_id.parent_id), (self.account(7), self.account(5)))
        self.assertEqual((carla.payment_mode, carla.cycle_unit, carla.billing_day), ("postpaid", "month", 31))
        self.assertEqual(carla.tz, "Europe/Berlin")
        self.assertEqual(carla.partner_id, self.account(13).partner_id, "one customer, two accounts")
        self.assertEqual((self.account(14).status, self.account(14).currency_id), ("closed", self.server.currency_id))
        self.assertFalse(self.account(1), "administrators are no accounts of ours")

    def test_partners_are_matched(self):
        partners = self.env["res.partner"]
        by_number = partners.create({"name": "Known", "ref": "R5"})
        by_mail = partners.create({"name": "carla", "email": "Carla@Example.com"})
        self.sync()
        self.assertEqual(self.account(5).partner_id, by_number)
        self.assertEqual(self.account(12).partner_id, by_mail)
        self.account(12).partner_id = by_number
        self.mariadb.execute("UPDATE accounts SET first_name = 'Other' WHERE id = 12")
        self.sync()
        self.assertEqual(self.account(12).partner_id, by_number, "an accountant's choice stays")

    def test_changes_are_merged(self):
        """ASTPP's changes arrive, accountants' changes stay, and fields that ASTPP owns follow it."""
        self.sync()
        carla = self.account(12)
        carla.billing_day = 15
        carla.status = "suspended"
        self.mariadb.execute(
            "UPDATE accounts SET invoice_day = 20, timezone_id = 49, generate_invoice = 1 WHERE id = 12"
        )
        self.sync()
        self.assertEqual((carla.billing_day, carla.tz, carla.invoice_enabled), (15, "UTC", False))
        self.assertEqual(carla.status, "active")
        self.assertEqual(self.step("accounts").changed_count, 1)
        self.sync()
        self.assertEqual(self.step("accounts").changed_count, 0)

    def test_issuers(self):
        self.mariadb.insert(
            "invoice_conf",
            {"accountid": 5, "company_name": "Upper", "invoice_prefix": "OP_", "interval": "30"},
            {"accountid": 7, "company_name": "Lower", "invoice_prefix": "LOW-", "invoice_start_from": 50},
        )
        self.mariadb.insert("invoices", {"number": "000077", "reseller_id": 7})
        self.sync()
        upper, lower = self.account(5).own_issuer_ids, self.account(7).own_issuer_ids
        self.assertEqual((lower.prefix, lower.first_number), ("LOW-", 78))
        self.assertEqual((upper.prefix, upper.payment_term_id.line_ids.nb_days), ("R5-OP_", 30))
        self.assertEqual((self.operator.prefix, self.operator.first_number), ("OP_", 100))
        self.assertEqual(self.account(12).issuer_id, lower)
        lower.prefix = "MINE-"
        self.mariadb.execute("UPDATE invoice_conf SET invoice_prefix = 'NEW-'")
        self.sync()
        self.assertEqual(lower.prefix, "MINE-", "a series is Odoo's once it is here")

    def test_taxes(self):
        self.mariadb.insert(
            "taxes", {"id": 1, "taxes_description": "VAT", "taxes_rate": "21.5", "taxes_amount": "0.25"}
        )
        self.mariadb.insert("taxes_to_accounts", {"accountid": 12, "taxes_id": 1})
        self.sync()
        taxes = self.account(12).tax_ids
        self.assertEqual(
            sorted(taxes.mapped(lambda tax: (tax.amount_type, tax.amount))), [("fixed", 0.25), ("percent", 21.5)]
        )

    def test_products_orders_dids_coupons_payments(self):
        self.mariadb.insert(
            "products",
            {"id": 3, "name": "Talk &amp; More", "product_category": 1, "price": "10", "setup_fee": "5", "billing_type": 1,
             "billing_days": 30, "free_minutes": 100, "applicable_for": 1, "country_id": 0},
            {"id": 4, "name": "31201234567", "product_category": 4, "price": "2", "billing_type": 1, "billing_days": 30},
        )  # fmt: skip
        self.mariadb.insert(
            "reseller_products", {"product_id": 3, "account_id": 7, "reseller_id": 5, "price": "12.5", "is_optin": 0}
        )
        self.mariadb.insert("invoice_conf", {"accountid": 7, "company_name": "Lower", "invoice_prefix": "LOW-"})
        for product, category in ((3, 1), (4, 4), (99, 1)):
            order = self.mariadb.insert(
                "orders", {"order_id": f"o{product}", "accountid": 12, "payment_status": "PAID"}
            )
            self.mariadb.insert(
                "order_items",
                {"order_id": order, "product_category": category, "product_id": product, "quantity": 2, "price": "25",
                 "billing_type": 1, "billing_days": 30, "accountid": 12, "billing_date": self.day,
                 "next_billing_date": self.day + timedelta(days=29)},
            )  # fmt: skip
        self.mariadb.insert(
            "dids", {"number": "31201234567", "accountid": 12, "parent_id": 7, "product_id": 4, "country_id": 85}
        )
        self.mariadb.insert("refill_coupon", {"number": "c0de", "amount": "20", "status": 2, "account_id": 12, "currency_id": 2,
                                              "firstused": self.day})  # fmt: skip
        self.mariadb.insert("payment_transaction", {"accountid": 12, "amount": "20", "payment_method": "paypal",
                                                    "transaction_id": "T1", "transaction_details": "secret"})  # fmt: skip
        self.sync()
        package = self.env["product.template"].search([("astpp_server_id", "=", self.server.id)])
        self.assertEqual(
            (package.name, package.astpp_type, package.astpp_free_minutes), ("Talk & More", "package", 100)
        )
        item = self.account(7).own_issuer_ids.pricelist_id.item_ids
        self.assertEqual((item.product_id, item.fixed_price), (package.product_variant_id, 12.5))
        subscriptions = self.env["astpp.subscription"].search([("server_id", "=", self.server.id)], order="astpp_id")
        self.assertEqual(subscriptions.mapped("price"), [12.5, 12.5])
        did = self.env["astpp.did"].search([("server_id", "=", self.server.id)])
        self.assertEqual((did.account_id, did.price, subscriptions[1].did_id), (self.account(12), 2, did))
        self.assertIn("1 orders", self.step("orders").message)
        coupon = self.env["astpp.coupon"].search([("server_id", "=", self.server.id)])
        self.assertEqual((coupon.state, coupon.currency_id.name, coupon.account_id), ("used", "EUR", self.account(12)))
        payment = self.env["astpp.payment"].search([("server_id", "=", self.server.id)])
        self.assertEqual((payment.amount, payment.transaction_ref), (20, "T1"))
        self.sync()
        self.assertFalse(sum(self.server.sync_step_ids.mapped("added_count")))

    def test_charges(self):
        detail = {"accountid": 12, "created_date": self.day, "charge_type": "POSTCHARGE", "debit": "9"}
        first = self.mariadb.insert("invoice_details", detail)
        second = self.mariadb.insert("invoice_details", detail)
        self.mariadb.insert("invoice_details", {**detail, "accountid": 4711})
        self.sync()
        self.assertEqual(self.usage(("source", "=", "charge")).mapped("exception"), [False, False, "unknown_account"])
        # ASTPP's own invoice takes the first charge; editing a draft deletes the second.
        self.mariadb.execute("UPDATE invoice_details SET invoiceid = 3 WHERE id = %s", (first,))
        self.mariadb.execute("DELETE FROM invoice_details WHERE id = %s", (second,))
        self.sync()
        self.assertEqual(
            self.usage(("source", "=", "charge")).mapped("exception"), ["astpp_invoiced", "gone", "unknown_account"]
        )

    def test_synced_month_is_billed(self):
        self.call(debit="0.3")
        self.call(account=7, table="reseller_cdrs", debit="0.24")
        self.sync()
        accounts = self.account(12) | self.account(7)
        accounts.write({"cycle_unit": "day", "tz": "UTC"})
        run = self.env["astpp.billing.run"].create({"account_ids": [(6, 0, accounts.ids)]})
        run.action_run()
        self.assertEqual(sorted(run.move_ids.mapped("amount_untaxed")), [0.24, 0.3])

    def test_failure_raises_one_alert(self):
        self.server.password = "wrong-Secret"
        for _attempt in range(3):
            self.assertFalse(self.server._sync(commit=False))
        self.assertEqual((self.server.sync_state, len(self.server.activity_ids)), ("failed", 1))
        self.assertIn("refuses user", self.server.sync_error)
        self.assertNotIn("wrong-Secret", str(self.server.sync_error) + str(self.server.activity_ids.note))
        self.server.password = READER[1]
        self.sync()
        self.assertFalse(self.server.activity_ids)

    def test_connecting_user_becomes_responsible(self):
        server = self.env["astpp.server"].create({"name": "New", "responsible_id": self.env.ref("base.user_root").id})
        server.host = "db.example.com"
        self.assertEqual(server.responsible_id, self.env.user)

    def test_password_is_kept(self):
        accountant = self.simple_accountman
        accountant.group_ids -= self.env.ref("base.group_system")
        server = self.server.with_user(accountant)
        self.assertNotIn("password", server.fields_get())
        server.action_test_connection()
        self.assertEqual(server.check_state, "warning", server.check_report)
        self.assertNotIn(READER[1], server.check_report)
        messages = " ".join(self.server.message_ids.mapped("body"))
        self.assertNotIn(READER[1], messages)

    def test_password_comes_from_elsewhere(self):
        """The environment takes precedence over the configuration file, and both over the stored password."""
        number, address = self.server.id, f"127.0.0.1:{self.server.port}"
        self.server.password = "stored"
        filed = {f"astpp_password_{number}": READER[1], f"astpp_host_{number}": address}
        outside = {f"ASTPP_PASSWORD_{number}": "wrong-Secret", f"ASTPP_HOST_{number}": address}
        with patch.dict(config.options, filed):
            self.assertEqual(self.server._settings().password, READER[1])
            self.sync()
            with patch.dict("os.environ", outside), self.assertLogs("odoo", "DEBUG") as logs:
                logging.getLogger("odoo.test").info("something is logged")
                self.assertFalse(self.server._sync(commit=False))
        self.assertNotIn("wrong-Secret", " ".join(logs.output) + self.server.sync_error)

    def test_month_ends_in_the_customers_zone(self):
        """A call belongs to the month in which it began in the customer's time zone, whatever the month in UTC."""
        account_zone = {"number": "C15", "posttoexternal": 1, "sweep_id": 2, "invoice_day": 1}
        self.mariadb.insert("accounts", {"id": 15, "timezone_id": 50, **account_zone})
        self.server.sync_from = "2024-01-01 00:00:00"
        self.sync()
        account = self.account(15)
        midnight = pytz.timezone(account.tz).localize(datetime(2024, 2, 1)).astimezone(pytz.utc).replace(tzinfo=None)
        self.assertNotEqual(midnight, datetime(2024, 2, 1), "the zone is not UTC")
        # One call crosses the end of the month, the other begins with the new month.
        self.call(account=15, at=midnight - timedelta(seconds=1), billseconds=600, debit=3)
        self.call(account=15, at=midnight, debit=4)
        self.server._astpp_own().sync_wide_date = False
        self.sync()
        account.billed_until = midnight - timedelta(days=31)
        january = self.env["astpp.billing.run"].create(
            {"account_ids": [(6, 0, account.ids)], "date": "2024-02-01", "invoice_date": "2024-02-01"}
        )
        january.action_run()
        self.assertEqual(january.move_ids.mapped("amount_untaxed"), [3])
        self.assertEqual(account.billed_until, midnight)

    def test_neutralized_copy_does_not_connect(self):
        self.env["ir.config_parameter"].sudo().set_param("database.is_neutralized", True)
        with self.assertRaises(UserError):
            self.server.action_test_connection()

    def test_not_set_up(self):
        self.server.host = False
        with self.assertRaisesRegex(UserError, "Host"):
            self.server.action_sync()
