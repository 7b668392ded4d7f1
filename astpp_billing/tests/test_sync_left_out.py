from unittest.mock import patch

import psycopg2

from odoo.tests import tagged
from odoo.tools import mute_logger

from .sync_common import SyncCommon


@tagged("post_install", "-at_install")
class TestSyncLeftOut(SyncCommon):
    """A bad row of ASTPP is left out and listed with its reason; all others are taken over."""

    def add_account(self, astpp_id, number, **values):
        row = {"id": astpp_id, "number": number, "first_name": f"Nr {astpp_id}", "posttoexternal": 1}
        self.mariadb.insert("accounts", row | values)

    def refuse(self, table, condition):
        """Make the database refuse rows."""
        self.env.flush_all()
        self.env.cr.execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_test_refused CHECK (NOT ({condition}))")

    def left_out(self):
        return {step.step: step.left_out_count for step in self.server.sync_step_ids if step.left_out_count}

    def test_number_of_a_deleted_account_is_used_again(self):
        """In one run an account closes, far down the list, and another one opens with its number."""
        self.mariadb.execute("UPDATE accounts SET deleted = 0, reseller_id = 7 WHERE id = 14")
        self.sync()
        self.mariadb.execute("UPDATE accounts SET deleted = 1 WHERE id = 14")
        self.add_account(20, "C14")
        self.sync()
        old, new = self.account(14), self.account(20)
        self.assertEqual((old.status, new.status, old.number, new.number), ("closed", "active", "C14", "C14"))
        self.assertEqual(new.partner_id.name, "Nr 20", "the number's former customer is somebody else")
        self.assertFalse(self.left_out())
        self.sync()
        self.assertEqual((self.step("accounts").added_count, self.step("accounts").changed_count), (0, 0))

    def test_number_used_again_before_the_first_run(self):
        """Both accounts are new: the live one gets the contact with the number and the calls waiting for it."""
        partner = self.env["res.partner"].create({"name": "Known", "ref": "C14"})
        self.mariadb.execute("UPDATE accounts SET reseller_id = 0 WHERE id = 14")
        self.add_account(20, "C14", reseller_id=7)
        values = {"callstart": "2024-01-15 12:00:00", "billseconds": "60", "debit": "1", "calltype": "STANDARD"}
        call = {"uniqueid": "early", "account_number": "C14", "callednum": "44", "cost": "0", **values}
        self.env["astpp.usage"].ingest([call], server=self.server.name)
        self.assertEqual(self.usage().exception, "unknown_account")
        self.sync()
        self.assertEqual((self.account(20).partner_id, self.usage().account_id), (partner, self.account(20)))
        self.assertNotEqual(self.account(14).partner_id, partner)

    def test_two_live_accounts_with_one_number(self):
        """ASTPP uses the older account; the other is listed, reported once, and mirrored when it has its own number."""
        self.add_account(20, "C12")
        self.add_account(21, "R21", type=1)
        self.call(account=20)
        self.sync()
        self.assertTrue(self.account(12) and self.account(21))
        self.assertFalse(self.account(20))
        self.assertEqual(self.usage().exception, "unknown_account")
        step = self.step("accounts")
        self.assertEqual((step.state, step.left_out_count, self.server.sync_state), ("done", 1, "done"))
        self.assertIn("ID 20: the account with the ID 12 has the number C12 as well", step.message)
        alert = self.server.activity_ids
        self.assertIn("ID 20", alert.note)
        alert.action_feedback()
        self.sync()
        self.assertFalse(self.server.activity_ids, "whoever marked it as done knows")
        self.mariadb.execute("UPDATE accounts SET number = 'C20' WHERE id = 20")
        self.sync()
        self.assertEqual((self.usage().account_id, self.usage().exception), (self.account(20), False))
        self.assertFalse(self.left_out() or self.step("accounts").message)

    def test_account_that_takes_anothers_number(self):
        """The account stays unchanged in Odoo, except that its funds are kept up to date."""
        self.sync()
        self.mariadb.execute("UPDATE accounts SET number = 'C12', credit_limit = 70, balance = 30 WHERE id = 13")
        self.sync()
        self.assertEqual((self.account(13).number, self.account(13).available_funds), ("C13", 40))
        self.assertEqual(self.left_out(), {"accounts": 1})

    def test_number_of_an_account_that_is_closed_here(self):
        """The closed account is inactive in ASTPP, so there is no clash."""
        self.sync()
        self.account(12).status = "closed"
        self.mariadb.execute("UPDATE accounts SET status = 1 WHERE id = 12")
        self.add_account(20, "C12")
        self.sync()
        self.assertEqual((self.account(12).status, self.account(20).number), ("closed", "C12"))

    def test_customers_of_a_reseller_who_is_left_out(self):
        """Somebody else would invoice these customers, so new ones wait, and existing ones keep their reseller."""
        self.sync()
        self.add_account(20, "R5", type=1)
        self.add_account(21, "C21", reseller_id=20)
        self.mariadb.execute("UPDATE accounts SET reseller_id = 20, invoice_day = 7 WHERE id = 12")
        self.sync()
        self.assertFalse(self.account(20) | self.account(21))
        self.assertEqual((self.account(12).parent_id, self.account(12).billing_day), (self.account(7), 7))
        self.assertIn("ID 21: its reseller, ID 20, is left out", self.step("accounts").message)

    @mute_logger("odoo.sql_db")
    def test_number_that_is_taken_in_odoo(self):
        """The database refuses an account that ASTPP renames to a number already used in Odoo."""
        self.sync()
        made = self.make_account("Made here", server_id=self.server.id, number="C99", astpp_id=0)
        self.mariadb.execute("UPDATE accounts SET number = 'C99' WHERE id = 12")
        self.mariadb.execute("UPDATE accounts SET invoice_day = 9 WHERE id = 13")
        self.sync()
        self.assertEqual((made.astpp_id, self.account(12).number, self.account(13).billing_day), (0, "C12", 9))
        self.assertIn("ID 12: Another account of this server has this number.", self.step("accounts").message)

    def test_accounts_below_each_other(self):
        self.mariadb.execute("UPDATE accounts SET reseller_id = 7 WHERE id = 5")
        for _time in range(2):
            self.sync()
        self.assertTrue(self.account(12) and self.account(13))

    @mute_logger("odoo.sql_db")
    def test_bad_row_of_every_table(self):
        """Each table has one good row and one that Odoo refuses."""
        self.mariadb.insert(
            "taxes",
            {"id": 1, "taxes_description": "VAT", "taxes_rate": "21.5"},
            {"id": 2, "taxes_description": "VAT", "taxes_rate": "9.5"},
            {"id": 3, "taxes_description": "Bad", "taxes_rate": "3"},
        )
        self.mariadb.insert("taxes_to_accounts", {"accountid": 13, "taxes_id": 3})
        product = {"product_category": 1, "billing_type": 1, "billing_days": 30}
        self.mariadb.insert("products", {"id": 3, "name": "Good", **product}, {"id": 4, "name": "Bad", **product})
        self.mariadb.insert("products", {"id": 6, "name": "Better", **product})
        self.mariadb.insert(
            "invoice_conf", {"accountid": 5, "invoice_prefix": "A-"}, {"accountid": 7, "invoice_prefix": "B-"}
        )
        self.mariadb.insert(
            "reseller_products",
            {"product_id": 3, "account_id": 5, "price": "12.5", "is_optin": 0},
            {"product_id": 6, "account_id": 5, "price": "13.5", "is_optin": 0},
        )
        for key in (1, 2):
            self.mariadb.insert("dids", {"id": key, "number": f"44{key}", "accountid": 12})
            self.mariadb.insert("orders", {"id": key, "order_id": str(key), "accountid": 12, "payment_status": "PAID"})
            item = {"order_id": key, "product_category": 1, "product_id": 3, "quantity": 1, "accountid": 12}
            self.mariadb.insert("order_items", {"id": key, "billing_date": self.day, **item})
            charge = {"accountid": 12, "created_date": self.day, "charge_type": "POSTCHARGE", "debit": "9"}
            self.mariadb.insert("invoice_details", {"id": key, **charge})
            self.mariadb.insert("refill_coupon", {"id": key, "number": f"c{key}", "amount": "20", "currency_id": 2})
            self.mariadb.insert("payment_transaction", {"id": key, "accountid": 12, "amount": "20"})
        for table, condition in (
            ("astpp_tax", "astpp_id = 3"), ("product_template", "astpp_product_id = 4"), ("astpp_issuer", "astpp_id = 7"),
            ("product_pricelist_item", "fixed_price = 13.5"), ("astpp_did", "astpp_id = 2"),
            ("astpp_subscription", "astpp_id = 2"), ("astpp_usage", "source_key = '2'"), ("astpp_coupon", "astpp_id = 2"),
            ("astpp_payment", "astpp_id = 2"), ("res_partner", "name = 'Gone'"),
        ):  # fmt: skip
            self.refuse(table, condition)
        self.sync()
        self.assertEqual(
            self.left_out(),
            {
                "accounts": 3,
                "issuers": 1,
                "products": 2,
                "dids": 1,
                "orders": 1,
                "charges": 1,
                "coupons": 1,
                "payments": 1,
            },
        )
        message = self.step("accounts").message
        self.assertIn("Tax with the ID 3: ", message)
        self.assertIn("ID 13: its tax, ID 3, is left out", message)
        self.assertIn("ID 14: ", message)
        self.assertIn("Product with the ID 4: ", self.step("products").message)
        self.assertIn("Price of the account with the ID 5 for the product with the ID 6", self.step("products").message)
        self.assertIn("Invoice profile of the account with the ID 7: ", self.step("issuers").message)
        server = [("server_id", "=", self.server.id)]
        for model in ("astpp.did", "astpp.subscription", "astpp.coupon", "astpp.payment"):
            self.assertEqual(self.env[model].search(server).mapped("astpp_id"), [1], model)
        self.assertEqual(self.usage().mapped("source_key"), ["1"])
        self.assertEqual(self.account(5).own_issuer_ids.pricelist_id.item_ids.mapped("fixed_price"), [12.5])
        self.assertEqual(
            sorted(self.env["astpp.tax"].search(server).tax_ids.mapped("name")), ["VAT", "VAT 9.5"],
        )  # fmt: skip

    @mute_logger("odoo.sql_db")
    def test_bad_changes(self):
        """The record stays as it was, and the change is tried again by the next run."""
        self.mariadb.insert("dids", *({"id": key, "number": f"44{key}"} for key in range(1, 6)))
        self.sync()
        self.refuse("astpp_did", "city = 'Nowhere'")
        self.mariadb.execute("UPDATE dids SET city = IF(id IN (2, 5), 'Nowhere', 'Rome')")
        self.sync()
        dids = self.env["astpp.did"].search([("server_id", "=", self.server.id)], order="astpp_id")
        self.assertEqual(dids.mapped("city"), ["Rome", False, "Rome", "Rome", False])
        self.assertEqual((self.step("dids").changed_count, self.step("dids").left_out_count), (3, 2))
        self.mariadb.execute("UPDATE dids SET city = 'Oslo' WHERE id IN (2, 5)")
        self.sync()
        self.assertEqual(dids.mapped("city"), ["Rome", "Oslo", "Rome", "Rome", "Oslo"])
        self.assertFalse(self.left_out() or self.server.activity_ids)

    def test_unreadable_rows(self):
        """Dates that do not exist, and texts where numbers belong."""
        self.order_package()
        self.mariadb.execute("UPDATE order_items SET next_billing_date = '2024-03-00 23:59:59'")
        self.mariadb.insert("refill_coupon", {"id": 1, "number": "good"})
        self.mariadb.insert("refill_coupon", {"id": 2, "number": "bad", "creation_date": "2024-00-10 10:00:00"})
        self.mariadb.execute("ALTER TABLE dids MODIFY status VARCHAR(10)")
        self.mariadb.insert(
            "dids", {"id": 1, "number": "441", "status": "0"}, {"id": 2, "number": "442", "status": "off"}
        )
        self.mariadb.execute("UPDATE accounts SET last_bill_date = '2024-00-10 10:00:00' WHERE id = 12")
        self.mariadb.execute("UPDATE invoice_conf SET `interval` = '30 days'")
        self.sync()
        self.assertEqual(self.left_out(), {"orders": 1, "coupons": 1, "dids": 1})
        self.assertIn("ID 90: next_billing_date: '2024-03-00 23:59:59' is not a date", self.step("orders").message)
        self.assertIn("ID 2: status: 'off' is not a number", self.step("dids").message)
        self.assertTrue(self.account(12), "what is not needed harms nobody")

    def test_many_are_counted(self):
        self.mariadb.insert("refill_coupon", *({"number": f"c{n}", "creation_date": "2024-00-10"} for n in range(60)))
        self.sync()
        step = self.step("coupons")
        self.assertEqual((step.left_out_count, len(step.message.splitlines())), (60, 51))

    def test_broken_connection_leaves_out_no_rows(self):
        """If the connection breaks, no row is left out: the run fails and is repeated."""
        self.mariadb.insert("dids", {"id": 1, "number": "441"})
        error = psycopg2.OperationalError("the connection broke")
        with (
            patch.object(type(self.env["astpp.did"]), "create", side_effect=error),
            self.assertRaises(psycopg2.OperationalError),
        ):
            self.server._sync(commit=False)
