import struct
import time

import pymysql
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from odoo.tests import TransactionCase, tagged

from ..connector import driver
from ..connector.database import ConnectorError, Database, Settings, UnreachableError, is_local
from ..connector.schema import check
from .rogue_server import PLUGIN, PROTOCOL_41, SECRET, SECURE, RogueServer, greeting, packet, switch


@tagged("post_install", "-at_install")
class TestWire(TransactionCase):
    """Whatever answers at a server's address gets no data that it should not have, and no unlimited time."""

    def ask(self, rogue, deadline=None, **values):
        """Connect and run a query; return the error."""
        settings = Settings("127.0.0.1", rogue.port, "astpp", "reader", SECRET)._replace(**values)
        started = time.monotonic()
        with self.assertRaises(ConnectorError) as raised, Database(settings, deadline) as database:
            check(database)
        self.seconds = time.monotonic() - started
        self.assertNotIn("Traceback", str(raised.exception))
        self.assertTrue(str(raised.exception))
        return raised.exception

    def assertNothingSaid(self, rogue):
        for text in (SECRET.encode(), SECRET.encode("utf-16-le"), b"SELECT", b"SET ", b"astpp", b"reader"):
            self.assertNotIn(text, rogue.heard)

    def test_nothing_is_sent_without_the_required_encryption(self):
        for tls in ("on", "verify"):
            for plugin in ("mysql_native_password", "caching_sha2_password", "sha256_password", "mysql_clear_password"):
                with self.subTest(tls=tls, plugin=plugin), RogueServer(greeting(plugin)) as rogue:
                    error = self.ask(rogue, tls=tls)
                    self.assertIn("offers no encryption", str(error))
                    self.assertEqual(rogue.heard, b"")

    def test_passwords_are_not_handed_out(self):
        """Neither in plain text nor encrypted with a key of the other side's."""
        key = (
            rsa.generate_private_key(public_exponent=65537, key_size=2048)
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        for expected, *says in (
            ("by mysql_clear_password", greeting(), switch("mysql_clear_password", b"")),
            ("by dialog", greeting(), switch("dialog", b"\x04Password: ")),
            ("by mysql_old_password", greeting(), switch("mysql_old_password")),
            ("by no_such_plugin", greeting(), switch("no_such_plugin")),
            ("let user reader in|no MariaDB", greeting("mysql_clear_password"), packet(2, b"\x01more")),
            ("a key that nobody", greeting("sha256_password"), packet(2, b"\x01" + key)),
            ("a key that nobody", greeting(), switch("sha256_password"), packet(4, b"\x01" + key)),
            (
                *("a key that nobody", greeting("caching_sha2_password")),
                *(packet(2, b"\x01\x04"), packet(4, b"\x01" + key)),
            ),
            (
                *("a key that nobody", greeting(), switch("caching_sha2_password")),
                *(packet(4, b"\x01\x04"), packet(6, b"\x01" + key)),
            ),
        ):
            with self.subTest(says=says[1][:30]), RogueServer(*says, ends=True) as rogue:
                self.assertRegex(str(self.ask(rogue)), expected)
                self.assertNotIn(SECRET.encode(), rogue.heard)

    def test_rogue_answers_are_clear_errors(self):
        for says in (
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"\xff" * 5000,
            bytes(5000),
            packet(0, b""),
            packet(0, b"\x0a"),
            packet(0, b"\x0anonsense\0"),
            packet(0, b"\x0a8.0.36\0"),
            greeting()[:30],
            b"\xff\xff\xff\0" + bytes(100),
            struct.pack("<I", 1 << 20)[:3] + b"\0" + bytes(1 << 20),
            packet(0, b"\xff\x10\x04Too many connections"),
            packet(0, b"\xff\xe8\x03" + SECRET.encode()),
        ):
            with self.subTest(says[:20]), RogueServer(says, ends=True) as rogue:
                error = self.ask(rogue)
                self.assertNotIn(SECRET, str(error))
                self.assertNothingSaid(rogue)
                self.assertLess(self.seconds, 5)

    def test_rogue_answers_to_a_question(self):
        """A server that lets us in may still answer nonsense, or request a local file."""
        for answer in (
            b"\xff\xff\xff\x01" + bytes(1000),
            packet(1, b"\xfb/etc/passwd"),
            packet(1, b"\x05"),
            packet(1, b"\x01") + packet(2, b"\xff" * 20),
            packet(1, b""),
            packet(9, b"\0\0\0"),
        ):
            ok = packet(2, b"\0\0\0\x02\0\0\0")
            with self.subTest(answer[:20]), RogueServer(greeting(), ok, answer, ends=True) as rogue:
                self.ask(rogue, deadline=time.monotonic() + 5)
                self.assertNotIn(b"root:", rogue.heard)
                self.assertLess(self.seconds, 8)

    def test_silent_and_slow_listeners(self):
        """The handshake as a whole has a time limit, however small the pieces it arrives in."""
        for says, pause, tls in (
            (b"", 0, "off"),
            (b"", 0, "verify"),
            (greeting(), 0.1, "off"),
            (bytes([200, 0, 0, 0]) + bytes(200), 0.4, "off"),
            # Announces encryption and then does not encrypt.
            (greeting(capabilities=PROTOCOL_41 | SECURE | PLUGIN | 0x800), 0, "on"),
        ):
            with self.subTest(says=says[:8], tls=tls), RogueServer(says, pause=pause) as rogue:
                error = self.ask(rogue, tls=tls, timeout=1)
                self.assertLess(self.seconds, 5)
                self.assertIsInstance(error, UnreachableError, error)
        self.assertLessEqual(Settings("h", 1, "d", "u", "p").timeout, 10)

    def test_a_deadline_also_ends_open_sessions(self):
        ok = packet(2, b"\0\0\0\x02\0\0\0")
        with RogueServer(greeting(), ok, packet(1, b"\0\0\0\x02\0\0\0"), packet(1, b"\0\0\0\x02\0\0\0")) as rogue:
            error = self.ask(rogue, deadline=time.monotonic() + 2)
            self.assertIn("did not answer in time", str(error))
            self.assertLess(self.seconds, 5)

    def test_certificate_errors_reveal_no_files(self):
        with RogueServer(greeting()) as rogue:
            texts = {
                str(self.ask(rogue, tls="verify", ca_file=path)).replace(path, "")
                for path in (
                    "/etc/passwd",
                    "/etc/shadow",
                    "/nowhere",
                    "/etc",
                    "/dev/null",
                    "/dev/zero",
                    "/proc/self/mem",
                    "a\0b",
                )
            }
            self.assertEqual(len(texts), 1, texts)
            self.assertEqual(rogue.heard, b"")

    def test_the_driver_has_the_expected_version(self):
        """It overrides private methods, so another version of PyMySQL must be checked first."""
        connection = pymysql.connections.Connection
        for name in driver.CHANGED:
            self.assertTrue(callable(getattr(connection, name, None)), name)
        for name in ("server_public_key", "deadline"):
            self.assertFalse(hasattr(connection, name), name)
        self.patch(driver, "CHANGED", ("_no_such_method",))
        with self.assertRaisesRegex(ConnectorError, "not a version"):
            driver.driver()

    def test_local_hosts(self):
        for host in ("localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]", "LOCALHOST", "/run/mysqld.sock", "", False):
            self.assertTrue(is_local(host), host)
        for host in ("db.example.com", "10.0.0.5", "localhost.example.com", "::2", "0.0.0.0", "127.example.com"):
            self.assertFalse(is_local(host), host)
