import os
import time
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import config

from ..connector.database import Database
from ..connector.schema import check
from .mariadb import READER, MariaDb
from .rogue_server import SECRET


@tagged("post_install", "-at_install")
class TestServerConnection(TransactionCase):
    """Who may change the connection, and what happens to the password then."""

    sql_mode = "NO_ENGINE_SUBSTITUTION"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mariadb = MariaDb.start_for(cls)
        cls.mariadb.make_astpp()
        cls.server = cls.env["astpp.server"].create(
            {"name": "Wired", "host": "127.0.0.1", "port": cls.mariadb.port, "user": READER[0], "password": READER[1]}
        )
        company = {"company_id": cls.env.company.id, "company_ids": [(6, 0, cls.env.company.ids)]}
        cls.accountant = new_test_user(
            cls.env, login="accounts_manager", groups="base.group_user,account.group_account_manager", **company
        )
        cls.keeper = new_test_user(
            cls.env, login="keeper", groups="base.group_system,account.group_account_manager", **company
        )

    def test_missing_encryption_is_an_error(self):
        """A real MariaDB without TLS is reported as not ready."""
        for tls in ("on", "verify"):
            self.server.write({"tls": tls, "password": READER[1]})
            self.server.action_test_connection()
            self.assertEqual(self.server.check_state, "error")
            self.assertIn("offers no encryption", self.server.check_report)
        self.server.write({"tls": "off", "password": READER[1]})
        self.server.action_test_connection()
        self.assertIn("ASTPP 6", self.server.check_report)

    def test_encryption_is_the_default_over_a_network(self):
        create = self.env["astpp.server"].create
        self.assertEqual(create({"name": "Files"}).tls, "off")
        self.assertEqual(create({"name": "Here", "host": "localhost"}).tls, "off")
        far = create({"name": "Far", "host": "db.example.com"})
        self.assertEqual(far.tls, "verify")
        self.assertEqual(create({"name": "Open", "host": "db.example.com", "tls": "off"}).tls, "off")
        far.tls = "off"
        far.port = 3307
        self.assertEqual(far.tls, "off", "what was chosen stays")
        far.host = "db2.example.com"
        self.assertEqual(far.tls, "verify")
        far.tls = "on"
        far.host = "db3.example.com"
        self.assertEqual(far.tls, "on")

    def test_unencrypted_remote_connections_raise_a_warning(self):
        settings = self.server._settings()
        for tls, word in (("off", "not encrypted"), ("on", "nobody looks with whom")):
            with Database(settings) as database:
                database.settings = settings._replace(host="10.0.0.5", tls=tls)
                warnings = " ".join(found.text for found in check(database) if found.level == "warning")
                self.assertIn(word, warnings)
        with Database(settings) as database:
            self.assertNotIn("encrypted", " ".join(found.text for found in check(database)))

    def test_the_password_is_dropped_when_the_address_changes(self):
        """The password must be entered again for another address, user or weaker encryption."""
        for name, value in (
            *(
                ("host", "127.0.0.2"),
                ("port", 1),
                ("tls", "on"),
                ("ca_file", "/x.pem"),
                ("database", "x"),
                ("user", "x"),
            ),
            ("host", False),
        ):
            self.server.password = "p"
            self.server.with_user(self.keeper).write({name: value})
            self.assertFalse(self.server.password, name)
            self.server.password = "p"
            self.server.write({name: value, "name": "The same"})
            self.assertEqual(self.server.password, "p", name)
        self.server.write({"host": "127.0.0.3", "password": "new"})
        self.assertEqual(self.server.password, "new")

    def test_only_system_administrators_change_a_connection(self):
        server = self.server.with_user(self.accountant)
        for values in (
            *(
                {"host": "10.0.0.1"},
                {"port": 1},
                {"tls": "verify"},
                {"ca_file": "/x"},
                {"database": "x"},
                {"user": "x"},
            ),
            *({"password": "x"}, {"host": "10.0.0.1", "password": "x"}, {"host": False}),
        ):
            with self.subTest(values), self.assertRaises(AccessError):
                server.write(values)
        server.write({"host": "127.0.0.1", "port": self.mariadb.port, "name": "Renamed"})
        self.assertEqual((self.server.name, self.server.sudo().password), ("Renamed", READER[1]))
        for context, values in (
            ({}, {"host": "10.0.0.1"}),
            ({"default_host": "10.0.0.1"}, {}),
            ({"default_ca_file": "/etc/passwd"}, {}),
        ):
            with self.subTest(context=context, values=values), self.assertRaises(AccessError):
                server.with_context(**context).create({"name": "Mine", **values})
        with self.assertRaises(AccessError):
            server.copy({"name": "Copy"})
        self.assertEqual(server.create({"name": "Files alone"}).tls, "off")
        server.action_test_connection()
        self.assertIn("ASTPP 6", self.server.check_report)

    def test_administrators_of_other_companies_cannot_change_it(self):
        other = self.env["res.company"].create({"name": "Another operator"})
        stranger = new_test_user(
            self.env, login="stranger", groups="base.group_system,account.group_account_manager",
            company_id=other.id, company_ids=[(6, 0, other.ids)],
        )  # fmt: skip
        server = self.server.with_user(stranger)
        for context in ({}, {"allowed_company_ids": self.server.company_id.ids}):
            with self.assertRaises(AccessError):
                server.with_context(**context).write({"host": "10.0.0.1"})
            with self.assertRaises(AccessError):
                server.with_context(**context).action_test_connection()

    def test_an_external_password_names_its_address(self):
        server = self.server
        server.password = False
        self.startPatcher(patch.dict(os.environ))
        self.environment(ASTPP_PASSWORD=READER[1])
        with self.assertRaisesRegex(UserError, f"ASTPP_HOST_{server.id}"):
            server._settings()
        self.environment(ASTPP_PASSWORD=READER[1], ASTPP_HOST=f"127.0.0.1:{server.port}")
        self.assertEqual(server._settings().password, READER[1])
        self.assertIn("ASTPP_PASSWORD", server.password_source)
        server.host = "127.0.0.2"
        self.assertIn("another address", server.password_source)
        with self.assertRaisesRegex(UserError, "127.0.0.2"):
            server._settings()
        server.host = "127.0.0.1"
        self.environment(ASTPP_PASSWORD=READER[1], ASTPP_HOST="127.0.0.1")
        with self.assertRaises(UserError):
            server._settings()
        server.port = 3306
        self.assertEqual(server._settings().password, READER[1])
        self.environment()
        names = {f"astpp_password_{server.id}": "filed", f"astpp_host_{server.id}": "127.0.0.1"}
        with patch.dict(config.options, names):
            self.assertEqual(server._settings().password, "filed")

    def environment(self, **values):
        for name in ("ASTPP_PASSWORD", "ASTPP_HOST"):
            os.environ.pop(f"{name}_{self.server.id}", None)
        os.environ |= {f"{name}_{self.server.id}": value for name, value in values.items()}
        self.server.invalidate_recordset()

    def test_the_report_survives_any_password(self):
        """The report is neither garbled nor empty, even if the password is a word of every message."""
        self.mariadb.execute("ALTER TABLE cdrs DROP COLUMN rate_cost")
        self.mariadb.execute("DROP TABLE refill_coupon")
        self.addCleanup(self.mariadb.make_astpp)
        for password in ("a", "e", "the", "table", "denied", "Unknown column", "doesn't exist", "column"):
            with self.subTest(password):
                self.mariadb.make_user(READER[0], password, "SELECT ON astpp.*")
                self.server.password = password
                self.server.action_test_connection()
                report = self.server.check_report
                self.assertIn("The table cdrs lacks the column rate_cost.", report)
                self.assertIn("The table refill_coupon is missing.", report)
                self.assertNotIn("***", report)

    def test_passwords_of_any_letters(self):
        self.mariadb.make_user("umlaut", SECRET, "SELECT ON astpp.*")
        self.server.write({"user": "umlaut", "password": SECRET})
        self.server.action_test_connection()
        self.assertIn("ASTPP 6", self.server.check_report)
        self.server.password = "€ and a wrong one"
        self.server.action_test_connection()
        self.assertIn("refuses user umlaut", self.server.check_report)
        self.assertNotIn("wrong one", self.server.check_report)

    def test_a_test_ends_in_time(self):
        """The test ends in time even if somebody has locked a table."""
        self.patch(type(self.server), "_check_writing", lambda _self, _deadline=None: [])
        with self.mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLES cdrs WRITE")
            started = time.monotonic()
            self.server.action_test_connection()
            self.assertLess(time.monotonic() - started, 20)
        self.assertEqual(self.server.check_state, "error")
        self.assertRegex(self.server.check_report, "takes too long|in time")
