"""Fixtures of the end-to-end tests: real Odoo processes on scratch databases."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg2
import pytest
import requests

ROOT = Path(__file__).parents[1]
LOCAL = Path(os.environ.get("ASTPP_LOCAL") or ROOT / ".local")
FILESTORE = LOCAL / "data-test" / "filestore"


class Database:
    """A scratch copy of a prepared database, with Odoo's command line for it."""

    cluster = "test"

    def __init__(self, name, template):
        self.name = name
        self._run("dev/database.py", "copy", template, name)
        shutil.rmtree(FILESTORE / name, ignore_errors=True)
        if (FILESTORE / template).exists():
            shutil.copytree(FILESTORE / template, FILESTORE / name)

    @staticmethod
    def _run(*arguments):
        subprocess.run([LOCAL / "venv/bin/python", *arguments], cwd=ROOT, check=True)

    def drop(self):
        self._run("dev/database.py", "drop", self.name)
        shutil.rmtree(FILESTORE / self.name, ignore_errors=True)

    def command(self, *arguments):
        return [str(ROOT / "dev/odoo"), arguments[0], "-d", self.name, *arguments[1:]]

    def odoo(self, *arguments):
        """Run Odoo until it exits and return its output; fail on an error code."""
        command = [str(ROOT / "dev/odoo"), "-d", self.name, *arguments]
        done = subprocess.run(
            command, env=environment(self.cluster), cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def shell(self, script):
        """Run a script in Odoo's shell and return its output; fail on a traceback."""
        process = self.start_shell(script)
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        assert "Traceback" not in err, err
        return out

    def start_shell(self, script):
        """Start a script in Odoo's shell and return the process."""
        process = subprocess.Popen(
            [str(ROOT / "dev/odoo"), "shell", "-d", self.name, "--no-http", "--log-level", "error"],
            env=environment(self.cluster), cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        process.stdin.write(f"exec(compile({script!r}, 'script', 'exec'))\n")
        process.stdin.close()
        process.stdin = None
        return process

    def start_ready(self, script):
        """Start a script and return its process once it has printed READY."""
        process = self.start_shell(script)
        while (line := process.stdout.readline()) and "READY" not in line:
            pass
        assert line, process.stderr.read()
        return process

    def query(self, sql, *parameters):
        with psycopg2.connect(dbname=self.name) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()


class FaultDatabase(Database):
    """A copy in a PostgreSQL server of its own, which tests may stop, kill or limit in size."""

    cluster = "fault"

    def __init__(self, name, template):  # pylint: disable=super-init-not-called
        self.name = name
        self.postgres("start")
        self.socket = subprocess.check_output([ROOT / "dev/postgres", "socket", "fault"], text=True).strip()
        subprocess.run(
            f"psql -q -h {self.socket} postgres -c 'DROP DATABASE IF EXISTS {name} WITH (FORCE)' -c 'CREATE DATABASE {name}'"
            f" && pg_dump {template} | psql -q -h {self.socket} {name} >/dev/null",
            shell=True, check=True,
        )  # fmt: skip

    def postgres(self, command, **variables):
        subprocess.run([ROOT / "dev/postgres", command, "fault"], env={**os.environ, **variables}, check=True)

    def drop(self):
        self.postgres("remove")

    def query(self, sql, *parameters):
        with psycopg2.connect(dbname=self.name, host=self.socket) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()


def environment(cluster="test"):
    return {**os.environ, "CLUSTER": cluster}


@contextmanager
def serving(database, *options, ports=("--http-port",)):
    """Serve a database while the body runs; yield the URL and the process.

    :param ports: options that get a free port each; the URL is the first one's
    """
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _port in ports]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        numbers = [free.getsockname()[1] for free in sockets]
    given = [part for option, number in zip(ports, numbers, strict=True) for part in (option, str(number))]
    command = [str(ROOT / "dev/odoo"), "-d", database.name, *given, *options, "--log-level", "critical"]
    process = subprocess.Popen(command, env=environment(), cwd=ROOT)
    url = f"http://127.0.0.1:{numbers[0]}"
    try:
        for _attempt in range(600):
            try:
                requests.get(f"{url}/web/login", timeout=120)
                break
            except requests.ConnectionError:
                assert process.poll() is None
                time.sleep(0.1)
        yield url, process
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def database(request):
    """A copy of the database with the addon installed."""
    scratch = Database(f"astpp_{request.module.__name__.split('.')[-1]}", "astpp_addon")
    yield scratch
    scratch.drop()


@pytest.fixture(scope="module")
def empty_database(request):
    """A copy of the database with only Odoo's own modules."""
    scratch = Database(f"astpp_{request.module.__name__.split('.')[-1]}_empty", "astpp_base")
    yield scratch
    scratch.drop()


@pytest.fixture(scope="module")
def fault_database(request):
    """A copy of the database with the addon installed, in a PostgreSQL server of its own."""
    scratch = FaultDatabase(f"astpp_{request.module.__name__.split('.')[-1]}", "astpp_addon")
    yield scratch
    scratch.drop()
