"""However a synchronisation ends, the next one completes the ledger to the same content.

FAULT_ROUNDS sets how often the process is killed (make test-faults: 30).
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import threading
import time

import pytest

from odoo.addons.astpp_billing.tests.mariadb import READER, MariaDb

ROUNDS = int(os.environ.get("FAULT_ROUNDS") or 4)
CALLS = 100_000
MAKE_CALLS = f"""
    INSERT INTO cdrs (uniqueid, accountid, callerid, callednum, billseconds, callstart, debit, cost, pattern, notes,
                      rate_cost, call_direction, calltype, translated_dst, provider_call_cost)
    SELECT CONCAT('call-', seq, REPEAT('-', 20)), 10 + seq % 50, 'Caller <100>', CONCAT('4420', seq), seq % 600,
           UTC_TIMESTAMP() - INTERVAL (3600 + seq * 2) SECOND, (seq % 600) * 0.0013, 0.01, '^44.*', 'United Kingdom',
           0.1, 'outbound', IF(seq % 9 = 0, 'FREE', 'STANDARD'), '', 0
      FROM seq_1_to_{CALLS}
"""
SYNC = """
from odoo.addons.astpp_billing.models.sync import astpp_server_calls
astpp_server_calls.PIECE = {piece}
server = env["astpp.server"].search([("host", "!=", False)])
print("RESULT", server._sync(), server.sync_error)
"""
SLOWLY = """
import time
from odoo.addons.astpp_billing.models.sync.astpp_server_calls import AstppServer
piece = AstppServer._sync_piece
def slow_piece(*arguments):
    piece(*arguments)
    AstppServer._sync_piece = piece
    time.sleep(20)
AstppServer._sync_piece = slow_piece
"""
LEDGER = """
    SELECT count(*), count(DISTINCT source_key), sum(duration), sum(rated_amount), sum(amount), count(account_id),
           md5(string_agg(source_key, '' ORDER BY source_key)), count(exception)
      FROM astpp_usage WHERE source = 'cdr'
"""

TOTALS = "SELECT id, lines, duration, amount, cost FROM astpp_usage_total WHERE lines <> 0 ORDER BY id"
TOTALLED = "SELECT total_id, count(*), sum(duration), sum(amount), sum(cost) FROM astpp_usage GROUP BY 1 ORDER BY 1"


@pytest.fixture(scope="module")
def mariadb():
    server = MariaDb().start()
    server.make_astpp()
    server.insert("accounts", *({"id": 10 + n, "number": f"N{n}", "posttoexternal": 1} for n in range(50)))
    server.execute(MAKE_CALLS)
    yield server
    server.remove()


@pytest.fixture(scope="module")
def expected(fault_database, mariadb):
    """The ledger after an undisturbed run."""
    connect(fault_database, mariadb.port)
    assert "RESULT True" in fault_database.shell(SYNC.format(piece=200_000))
    ledger = fault_database.query(LEDGER)
    assert ledger[0][0] == CALLS
    return ledger


def connect(database, port):
    database.shell(f"""
env["astpp.server"].search([("host", "!=", False)]).write({{"host": False}})
env["astpp.server"].create({{
    "name": "port {port} {time.time()}", "host": "127.0.0.1", "port": {port}, "user": {READER[0]!r},
    "password": {READER[1]!r}, "sync_from": "2020-01-01",
}})
env.cr.commit()
""")


@pytest.fixture
def fresh(fault_database, mariadb, expected):
    """The database with an empty ledger and a server that was never synchronised."""
    fault_database.shell("""
env.cr.execute("TRUNCATE astpp_usage, astpp_sync_slice, astpp_reconciliation, astpp_sync_step CASCADE")
env.cr.execute("UPDATE astpp_server SET sync_state = 'never', sync_wide_date = NULL, sync_error = NULL, sync_date = NULL")
env.cr.execute("DELETE FROM astpp_billing_result; DELETE FROM astpp_usage_total; DELETE FROM astpp_account")
env.cr.commit()
""")
    connect(fault_database, mariadb.port)
    return fault_database


def finish(database, expected):
    out = database.shell(SYNC.format(piece=20_000))
    assert "RESULT True" in out, out
    assert database.query(LEDGER) == expected
    assert database.query(TOTALS) == database.query(TOTALLED)
    assert not database.query("SELECT 1 FROM astpp_reconciliation WHERE reason IS NOT NULL")
    assert not database.query(
        "SELECT 1 FROM pg_tables WHERE tablename = 'astpp_usage_staging' AND schemaname = 'public'"
    )


def wait_for_rows(database, least, process):
    """Wait until some calls are committed to the ledger, or the process has ended."""
    for _attempt in range(600):
        if process.poll() is not None or database.query("SELECT count(*) FROM astpp_usage")[0][0] >= least:
            return
        time.sleep(0.05)


# The password has to be entered again when the address changes.
MOVE = f"""
env['astpp.server'].search([('host', '!=', False)]).write({{{{'port': {{port}}, 'password': {READER[1]!r}}}}})
env.cr.commit()
"""


def test_killed_at_any_moment(fresh, expected):
    generator = random.Random(7)
    for _round in range(ROUNDS):
        process = fresh.start_shell(SYNC.format(piece=5_000))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(generator.uniform(1.5, 6))
        os.kill(process.pid, signal.SIGKILL) if process.poll() is None else None
        process.communicate()
    finish(fresh, expected)


def test_mariadb_stops(fresh, mariadb, expected):
    process = fresh.start_shell(SYNC.format(piece=5_000))
    wait_for_rows(fresh, 5_000, process)
    mariadb.kill()
    out, err = process.communicate(timeout=120)
    assert "RESULT False" in out, out + err
    [(state, error)] = fresh.query("SELECT sync_state, sync_error FROM astpp_server WHERE host IS NOT NULL")
    assert state == "failed"
    assert "127.0.0.1" in error
    assert READER[1] not in out + err + error
    mariadb.start()
    finish(fresh, expected)


class Cutter:
    """A TCP relay that cuts the connection after a number of bytes from the server."""

    def __init__(self, port, limit):
        self.target, self.limit = port, limit
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, _address = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._relay, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._relay, args=(server, client, self.limit), daemon=True).start()

    @staticmethod
    def _relay(source, target, limit):
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                passed += len(data)
                if limit and passed > limit:
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def test_connection_is_cut_within_a_result(fresh, mariadb, expected):
    relay = Cutter(mariadb.port, 4_000_000)
    fresh.shell(MOVE.format(port=relay.port))
    out = fresh.shell(SYNC.format(piece=5_000))
    assert "RESULT False" in out
    assert "broke off" in out
    rows = fresh.query("SELECT count(*) FROM astpp_usage")[0][0]
    assert 0 < rows < CALLS, "what was committed before stays"
    fresh.shell(MOVE.format(port=mariadb.port))
    finish(fresh, expected)


def test_postgresql_is_restarted(fresh, expected):
    process = fresh.start_shell(SYNC.format(piece=5_000))
    wait_for_rows(fresh, 5_000, process)
    fresh.postgres("kill")
    process.communicate(timeout=120)
    fresh.postgres("start")
    assert 0 < fresh.query("SELECT count(*) FROM astpp_usage")[0][0] < CALLS
    finish(fresh, expected)


def test_full_disk(fresh, expected):
    """Simulated by a limit on the size of PostgreSQL's files that is too small for the calls."""
    fresh.postgres("stop")
    fresh.postgres("start", FILE_LIMIT="17000")
    out, _log = fresh.start_shell(SYNC.format(piece=200_000)).communicate(timeout=300)
    assert "RESULT False" in out
    [(error,)] = fresh.query("SELECT sync_error FROM astpp_server WHERE host IS NOT NULL")
    assert "could not" in error
    assert fresh.query("SELECT count(*) FROM astpp_usage") == [(0,)]
    fresh.postgres("stop")
    fresh.postgres("start")
    finish(fresh, expected)


def test_two_concurrent_synchronisations(fresh, expected):
    """A second synchronisation stops at once while the first one is running."""
    # Slow the first one down, so that it is still running when the second one has started.
    first = fresh.start_shell(SLOWLY + SYNC.format(piece=5_000))
    wait_for_rows(fresh, 1_000, first)
    out = fresh.shell(SYNC.format(piece=5_000))
    first_out, first_err = first.communicate(timeout=300)
    assert "RESULT False" in out, (out, first_out, first_err)
    assert "RESULT True" in first_out, (first_out, first_err)
    finish(fresh, expected)
