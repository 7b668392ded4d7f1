from decimal import Decimal

from odoo.tests import TransactionCase, tagged

from ..connector import readers
from ..connector.charges import read_charges
from ..connector.database import ConnectorError, Database, Settings
from ..connector.schema import OPTIONAL_TABLES, TABLES, check
from .mariadb import READER, MariaDb


@tagged("post_install", "-at_install")
class TestConnector(TransactionCase):
    """Reading a real MariaDB, in strict and in non-strict mode."""

    sql_mode = "NO_ENGINE_SUBSTITUTION"
    database_server = MariaDb

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mariadb = cls.database_server.start_for(cls)

    def setUp(self):
        super().setUp()
        self.mariadb.make_astpp()

    def settings(self, **values):
        user, password = READER
        settings = Settings("127.0.0.1", self.mariadb.port, "astpp", user, password, self.mariadb.encryption)
        return settings._replace(**values)

    def fetch(self, reader, *arguments):
        with Database(self.settings()) as database:
            return list(reader(database, *arguments, lambda reason, _key: self.fail(reason)))

    def findings(self, level):
        with Database(self.settings()) as database:
            return [finding.text for finding in check(database) if finding.level == level]

    def test_check(self):
        self.assertFalse(self.findings("error"))
        self.assertRegex(self.findings("ok")[0], r"ASTPP 6\.0 on \d+\.\d")
        warnings = " ".join(self.findings("warning"))
        self.assertIn("Generate Invoice", warnings)
        self.assertIn("Manage Services", warnings)
        self.mariadb.execute("UPDATE cron_settings SET status = 1")
        self.assertFalse(self.findings("warning"))
        self.mariadb.insert("cdrs", {"callerid": "x"})
        self.assertIn("1 call records have no start", self.findings("warning")[0])

    def test_unread_rows_are_skipped_before_the_next_query(self):
        many = "SELECT a.column_name FROM information_schema.columns a, information_schema.columns b LIMIT 20000"
        with Database(self.settings()) as database:
            rows = database.rows(many)
            next(rows)
            rows.close()
            self.assertEqual(database.execute("SELECT 2"), [("2",)])
            rows = database.rows(many)
            next(rows)
            del rows
            self.assertEqual(len(database.execute(many)), 20000)

    def test_check_warns_of_a_missing_index(self):
        self.mariadb.execute("DROP INDEX callstart ON cdrs")
        self.assertIn("The table cdrs has no index that begins with callstart", " ".join(self.findings("warning")))
        self.assertNotIn("reseller_cdrs", " ".join(self.findings("warning")))

    def test_check_names_what_is_missing(self):
        self.mariadb.execute("ALTER TABLE cdrs DROP COLUMN rate_cost")
        self.mariadb.execute("DROP TABLE refill_coupon")
        self.mariadb.execute(f"REVOKE SELECT ON astpp.* FROM '{READER[0]}'@'%'")
        for table in ("cdrs", "system", "cron_settings", "orders"):
            self.mariadb.execute(f"GRANT SELECT ON astpp.{table} TO '{READER[0]}'@'%'")
        errors = self.findings("error")
        self.assertIn("The table cdrs lacks the column rate_cost.", errors)
        self.assertIn("The user lacks SELECT on the table accounts.", errors)
        self.assertFalse([error for error in errors if "orders" in error])

    def test_failures_are_explained_without_the_password(self):
        for values, expected in (
            ({"password": "wrong-Secret"}, "refuses user astpp_reader"),
            ({"database": "nothing"}, "nothing"),
            ({"port": 1}, "Nothing answers at 127.0.0.1:1"),
            ({"tls": "verify", "ca_file": "/nowhere.pem"}, "The certificate file /nowhere.pem cannot be used"),
        ):
            settings = self.settings(**values)
            with self.subTest(expected), self.assertRaises(ConnectorError) as raised, Database(settings):
                pass
            self.assertIn(expected, str(raised.exception))
            for secret in (settings.password, READER[1]):
                self.assertNotIn(secret, str(raised.exception))
                self.assertNotIn(secret, repr(settings))

    def test_secret_columns_need_not_be_readable(self):
        """Rights on just the columns that the schema lists are enough."""
        self.mariadb.execute(f"REVOKE SELECT ON astpp.* FROM '{READER[0]}'@'%'")
        for table, columns in {**TABLES, **OPTIONAL_TABLES}.items():
            if table in ("package_patterns", "counters"):
                continue
            names = ", ".join(f"`{column}`" for column in columns.split())
            self.mariadb.execute(f"GRANT SELECT ({names}) ON astpp.`{table}` TO '{READER[0]}'@'%'")
            self.assertFalse({"password", "pin", "transaction_details"} & set(columns.split()))
        self.assertFalse(self.findings("error"))
        self.assertEqual(self.fetch(readers.read_accounts), [])
        with Database(self.settings()) as database, self.assertRaises(ConnectorError):
            database.execute("SELECT password FROM accounts")

    def test_session_is_read_only(self):
        with Database(self.settings(user="root", password="")) as database, self.assertRaises(ConnectorError):
            database.execute("UPDATE accounts SET number = 'x'")

    def test_accounts(self):
        self.mariadb.insert("taxes_to_accounts", {"accountid": 10, "taxes_id": 2}, {"accountid": 10, "taxes_id": 2})
        self.mariadb.insert(
            "accounts",
            {"id": 10, "number": "100010", "company_name": "Caf&eacute; Müller", "email": "a@example.com",
             "notification_email": "bills@example.com", "posttoexternal": 1, "sweep_id": 2, "invoice_day": 2024,
             "timezone_id": 50, "currency_id": 2, "country_id": 85, "status": 0, "generate_invoice": 1},
            {"id": 11, "number": "100011", "first_name": "Jo", "last_name": "Do", "status": 1, "timezone_id": 99,
             "currency_id": 999, "reseller_id": 10, "invoice_day": 31, "last_bill_date": "0000-00-00 00:00:00"},
            {"id": 12, "number": "", "type": 1, "deleted": 1, "is_distributor": 0},
        )  # fmt: skip
        first, second, third = self.fetch(readers.read_accounts)
        self.assertEqual((first.name, first.company, first.email), ("Café Müller", "Café Müller", "bills@example.com"))
        self.assertEqual((first.postpaid, first.active, first.invoice_enabled), (True, True, False))
        self.assertEqual((first.cycle_unit, first.billing_day, first.timezone), ("month", 1, "Europe/Berlin"))
        self.assertEqual((first.currency, first.country, first.tax_ids), ("EUR", "DE", (2,)))
        self.assertEqual((second.name, second.active, second.parent_id, second.billing_day), ("Jo Do", False, 10, 31))
        self.assertEqual((second.timezone, second.currency, second.billed_until, second.created), (None,) * 4)
        self.assertEqual((third.number, third.account_type, third.deleted), ("#12", "reseller", True))
        self.assertFalse(third.commission_based)

    def test_issuers_continue_after_astpps_last_number(self):
        self.mariadb.insert("invoices", {"prefix": "OP_", "number": "000250", "reseller_id": 0})
        [operator] = self.fetch(readers.read_issuers)
        self.assertEqual((operator.prefix, operator.first_number, operator.due_days), ("OP_", 251, 14))

    def test_order_prices_are_divided_by_the_quantity(self):
        order = self.mariadb.insert("orders", {"order_id": "abc", "accountid": 10, "payment_status": "PAID"})
        self.mariadb.insert(
            "order_items",
            {"order_id": order, "product_category": 1, "product_id": 5, "quantity": 3, "price": "30", "setup_fee": "6",
             "billing_type": 1, "billing_days": 30, "accountid": 10, "billing_date": "2024-01-01 00:00:01",
             "next_billing_date": "2024-01-30 23:59:59", "termination_date": ""},
        )  # fmt: skip
        [record] = self.fetch(readers.read_orders)
        self.assertEqual((record.price, record.setup_fee, record.quantity), (Decimal(10), Decimal(2), 3))
        self.assertEqual((record.period_end, record.end, record.recurring), ("2024-01-30 23:59:59", None, True))

    def test_charges_exclude_astpps_own_lines(self):
        """Fees and credits, without ASTPP's own call, tax and payment lines (ASTPP facts 5.7, 9)."""
        order = self.mariadb.insert("orders", {"order_id": "abc", "accountid": 10, "payment_status": "PAID"})
        item = {"order_id": order, "product_category": 1, "accountid": 10, "billing_type": 1}
        self.mariadb.insert("order_items", {**item, "product_id": 5}, {**item, "product_id": 6, "order_id": 999})
        base = {"accountid": 10, "created_date": "2024-01-05 22:00:00"}
        rows = [
            (
                {"charge_type": "PACKAGE", "order_item_id": order, "product_category": 1, "debit": "10"},
                ("package", "10", 5),
            ),
            (
                {"charge_type": "PACKAGE", "order_item_id": 2, "product_category": 1, "debit": "11"},
                ("package", "11", 6),
            ),
            ({"charge_type": "DID", "order_item_id": order, "product_category": 4, "debit": "2"}, ("did_fee", "2", 5)),
            ({"charge_type": "STANDARD", "debit": "99", "invoiceid": 4}, None),
            ({"charge_type": "DID", "debit": "98", "invoiceid": 4}, None),
            ({"charge_type": "TAX", "debit": "1", "is_tax": 1}, None),
            ({"charge_type": "INVPAY", "credit": "50", "invoiceid": 4}, None),
            ({"charge_type": "COMMISSION", "credit": "3"}, ("commission", "-3", 0)),
            ({"charge_type": "Voucher", "credit": "4"}, ("voucher", "-4", 0)),
            ({"charge_type": "POSTCHARGE", "debit": "5"}, ("charge", "5", 0)),
            ({"charge_type": "post_charge", "debit": "6"}, ("charge", "6", 0)),
            ({"charge_type": "FUNDTRANSFER", "debit": "7"}, ("transfer", "7", 0)),
            ({"charge_type": "REFILL", "credit": "8"}, ("topup", "-8", 0)),
            ({"charge_type": "", "debit": "9", "invoiceid": 7}, ("charge", "9", 0)),
            ({"charge_type": "POSTCHARGE", "debit": "1", "created_date": "2023-12-31 23:59:59"}, None),
        ]
        self.mariadb.insert("invoice_details", *({**base, **row} for row, _expected in rows))
        charges = self.fetch(read_charges, 0, "2024-01-01 00:00:00")
        found = [(charge.charge_type, str(charge.amount.normalize() + 0), charge.product_id) for charge in charges]
        expected = [outcome for _row, outcome in rows if outcome]
        self.assertEqual([(kind, Decimal(value), key) for kind, value, key in found],
                         [(kind, Decimal(value), key) for kind, value, key in expected])  # fmt: skip
        self.assertTrue(charges[-1].invoiced)


@tagged("post_install", "-at_install")
class TestConnectorStrict(TestConnector):
    sql_mode = "STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ONLY_FULL_GROUP_BY,ERROR_FOR_DIVISION_BY_ZERO"


@tagged("post_install", "-at_install")
class TestConnectorTls(TransactionCase):
    """An encrypted connection, with and without a look at the certificate."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mariadb = MariaDb(tls=True).start()
        cls.addClassCleanup(cls.mariadb.remove)
        cls.mariadb.make_astpp()
        cls.mariadb.execute(f"ALTER USER '{READER[0]}'@'%' REQUIRE SSL")

    def cipher(self, tls, ca_file=""):
        settings = Settings("127.0.0.1", self.mariadb.port, "astpp", *READER, tls=tls, ca_file=str(ca_file))
        with Database(settings) as database:
            return database.execute("SHOW STATUS LIKE 'Ssl_cipher'")[0][1]

    def test_tls(self):
        self.assertTrue(self.cipher("on"))
        self.assertTrue(self.cipher("verify", self.mariadb.certificate))
        with self.assertRaisesRegex(ConnectorError, "refuses"):
            self.cipher("off")
        with self.assertRaisesRegex(ConnectorError, "certificate|encrypted"):
            self.cipher("verify")
