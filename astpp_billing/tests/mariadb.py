"""A real MariaDB with an ASTPP database, in a folder of its own, for tests and the demo."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pymysql

from .astpp_schema import statements

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
READER = ("astpp_reader", "reader's secret")


class MariaDb:
    """A private server: start, use, stop. ``sql_mode`` is the server's."""

    def __init__(self, folder=None, sql_mode="NO_ENGINE_SUBSTITUTION"):
        self.folder = Path(folder or tempfile.mkdtemp(prefix="astpp-mariadb-"))
        self.sql_mode = sql_mode
        self.port = _free_port()
        self.process = None

    def start(self):
        """Start the server, made on first use, and return self."""
        data = self.folder / "data"
        user = ["--user=root"] if os.getuid() == 0 else []
        if not (data / "mysql").exists():
            self._run(
                "mariadb-install-db", f"--datadir={data}", "--auth-root-authentication-method=normal",
                "--skip-test-db", "--no-defaults", *user,
            )  # fmt: skip
        self.process = subprocess.Popen(
            [
                shutil.which("mariadbd", path=PATH), "--no-defaults", f"--datadir={data}",
                f"--socket={self.folder}/s", f"--port={self.port}", "--bind-address=127.0.0.1",
                f"--pid-file={self.folder}/pid", f"--sql-mode={self.sql_mode}", "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=256M", "--skip-name-resolve", *user,
            ],
            stdout=subprocess.DEVNULL, stderr=(self.folder / "log").open("ab"),
        )  # fmt: skip
        for _attempt in range(300):
            try:
                self.connect(database=None).close()
                return self
            except pymysql.Error:
                if self.process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.1)
        raise RuntimeError("MariaDB did not start")

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
        """Insert rows given as dicts; columns left out get ASTPP's defaults."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET sql_mode = ''")
            for row in rows:
                names = ", ".join(f"`{name}`" for name in row)
                marks = ", ".join(["%s"] * len(row))
                cursor.execute(f"INSERT INTO `{table}` ({names}) VALUES ({marks})", list(row.values()))
            return cursor.lastrowid

    def make_astpp(self):
        """Make a new ASTPP database and a user that may only read it."""
        with self.connect(None) as connection, connection.cursor() as cursor:
            cursor.execute("SET sql_mode = ''")
            cursor.execute("DROP DATABASE IF EXISTS astpp")
            cursor.execute("CREATE DATABASE astpp CHARACTER SET utf8mb3")
            cursor.execute("USE astpp")
            for statement in statements():
                cursor.execute(statement)
            cursor.execute("CREATE OR REPLACE USER %s@'%%' IDENTIFIED BY %s", READER)
            cursor.execute("GRANT SELECT ON astpp.* TO %s@'%%'", (READER[0],))

    @staticmethod
    def _run(program, *arguments):
        path = shutil.which(program, path=PATH)
        subprocess.run([path, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
