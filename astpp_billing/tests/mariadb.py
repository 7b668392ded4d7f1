"""A real MariaDB with an ASTPP database, in its own folder, for tests and the demo."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from unittest import SkipTest

import pymysql
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from .astpp_schema import statements

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
READER = ("astpp_reader", "reader's secret")


class MariaDb:
    """A private database server to start, use and stop. ``sql_mode`` is the server's."""

    # The encryption that a client must use.
    encryption = "off"
    replace_user = "CREATE OR REPLACE USER {} IDENTIFIED BY {}"

    def __init__(self, folder=None, sql_mode="NO_ENGINE_SUBSTITUTION", tls=False):
        self.folder = Path(folder or tempfile.mkdtemp(prefix="astpp-mariadb-"))
        self.sql_mode = sql_mode
        self.port = _free_port()
        self.process = None
        self.certificate = self.folder / "server.pem"
        if tls:
            _make_certificate(self.certificate)

    @classmethod
    def start_for(cls, test_class):
        """Return a running server with ``sql_mode`` for a test class, which removes it at the end."""
        if not cls.is_here():
            raise SkipTest(f"no program for {cls.__name__} here, see dev/install-mysql")
        server = cls(sql_mode=test_class.sql_mode).start()
        test_class.addClassCleanup(server.remove)
        return server

    @classmethod
    def is_here(cls):
        return True

    def start(self):
        """Start the server, creating it on first use, and return self."""
        data = self.folder / "data"
        # A server that starts deletes the temporary tables that it finds in its folder, another one's too.
        (self.folder / "tmp").mkdir(exist_ok=True)
        user = ["--user=root"] if os.getuid() == 0 else []
        if not (data / "mysql").exists():
            self._make_data(data, *user)
        self.process = subprocess.Popen(
            # Fast settings: commits survive a crash of the process, but not of the machine.
            [
                *self._server(), f"--datadir={data}",
                f"--socket={self.folder}/s", f"--port={self.port}", "--bind-address=127.0.0.1",
                f"--pid-file={self.folder}/pid", f"--sql-mode={self.sql_mode}", "--innodb-flush-log-at-trx-commit=2",
                "--innodb-buffer-pool-size=256M", *user, *self._tls_options(),
            ],
            stdout=subprocess.DEVNULL, stderr=(self.folder / "log").open("ab"), env=self._environment(),
        )  # fmt: skip
        for _attempt in range(300):
            try:
                self.connect(database=None).close()
                return self
            except pymysql.Error:
                if self.process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.1)
        raise RuntimeError("The database server did not start")

    def _environment(self):
        return {**os.environ, "TMPDIR": str(self.folder / "tmp")}

    def _server(self):
        return [shutil.which("mariadbd", path=PATH), "--no-defaults", "--skip-name-resolve"]

    def _make_data(self, data, *user):
        self._run(
            "mariadb-install-db", f"--datadir={data}", "--auth-root-authentication-method=normal",
            "--skip-test-db", "--no-defaults", *user, env=self._environment(),
        )  # fmt: skip

    def _tls_options(self):
        if not self.certificate.exists():
            return ["--skip-ssl"]
        return [f"--ssl-cert={self.certificate}", f"--ssl-key={self.certificate}"]

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def kill(self):
        self.process.kill()
        self.process.wait(30)
        self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database="astpp", **values):
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", password="", database=database, autocommit=True,
            charset="utf8mb4", **values,
        )  # fmt: skip

    def execute(self, statement, parameters=None, database="astpp"):
        """Run a statement as ASTPP does, in non-strict mode."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute("SET sql_mode = ''")
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    def insert(self, table, *rows):
        """Insert rows given as dicts; missing columns get ASTPP's defaults."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET sql_mode = ''")
            for row in rows:
                names = ", ".join(f"`{name}`" for name in row)
                marks = ", ".join(["%s"] * len(row))
                cursor.execute(f"INSERT INTO `{table}` ({names}) VALUES ({marks})", list(row.values()))
            return cursor.lastrowid

    def make_astpp(self):
        """Create an ASTPP database and a user who may only read it."""
        with self.connect(None) as connection, connection.cursor() as cursor:
            cursor.execute("SET sql_mode = ''")
            cursor.execute("DROP DATABASE IF EXISTS astpp")
            cursor.execute("CREATE DATABASE astpp CHARACTER SET utf8mb3")
            cursor.execute("USE astpp")
            for statement in statements():
                cursor.execute(statement)
        self.make_user(*READER, "SELECT ON astpp.*")

    def make_user(self, name, password, *grants):
        """Recreate a user with exactly these rights."""
        with self.connect(None) as connection, connection.cursor() as cursor:
            user = f"{connection.escape(name)}@'%'"
            for statement in self.replace_user.format(user, connection.escape(password)).split(";"):
                cursor.execute(statement)
            for grant in grants:
                cursor.execute(f"GRANT {grant} TO {user}")

    @staticmethod
    def _run(program, *arguments, **values):
        path = shutil.which(program, path=PATH)
        subprocess.run([path, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **values)


class MySql(MariaDb):
    """The same with a MySQL server, if there is one: ``ASTPP_MYSQLD`` is the path of its program."""

    program = os.environ.get("ASTPP_MYSQLD", "")
    # MySQL creates its own certificates, and accepts the password only over an encrypted connection.
    encryption = "on"
    replace_user = "DROP USER IF EXISTS {0}; CREATE USER {0} IDENTIFIED BY {1}"

    @classmethod
    def is_here(cls):
        return (
            bool(cls.program)
            and subprocess.run([cls.program, "--version"], check=False, capture_output=True).returncode == 0
        )

    def _server(self):
        return [self.program, "--skip-log-bin"]

    def _make_data(self, data, *user):
        subprocess.run(
            [*self._server(), f"--datadir={data}", "--initialize-insecure", *user],
            check=True, capture_output=True, env=self._environment(),
        )  # fmt: skip

    def _tls_options(self):
        return super()._tls_options() if self.certificate.exists() else []


def _make_certificate(path):
    """Write a private key and a self-signed certificate for 127.0.0.1."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ASTPP test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
