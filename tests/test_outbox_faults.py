"""However often the process that writes balances back dies, each change reaches ASTPP once.

FAULT_ROUNDS says how often it is killed (make test-faults: 30).
"""

import os
import random
import time

import pytest
from conftest import Database

from odoo.addons.astpp_billing.tests.mariadb import MariaDb

ROUNDS = int(os.environ.get("FAULT_ROUNDS") or 4)
ACCOUNTS, CHANGES = 20, 10
SET_UP = """
server = env.ref("astpp_billing.astpp_server_main")
server.write({{"host": "127.0.0.1", "port": {port}, "database": "astpp", "user": "root", "password": "", "write_credit": True}})
partner = env["res.partner"].create({{"name": "Customer"}})
accounts = env["astpp.account"].create([
    {{"server_id": server.id, "number": f"W{{n}}", "astpp_id": 100 + n, "partner_id": partner.id, "payment_mode": "prepaid"}}
    for n in range({accounts})
])
env["astpp.outbox"]._enqueue_balances(
    (account, 1 + n, f"topup/{{account.id}}-{{n}}", "Top-up") for n in range({changes}) for account in accounts
)
env.cr.commit()
"""
APPLY = """
import time
print("READY", flush=True)
started = time.monotonic()
env["astpp.outbox"]._cron_apply()
env.cr.commit()
print("SECONDS", time.monotonic() - started)
"""
TOTAL = CHANGES * (CHANGES + 1) // 2


@pytest.fixture(scope="module")
def mariadb():
    server = MariaDb().start()
    yield server
    server.remove()


@pytest.fixture
def database(mariadb):
    mariadb.make_astpp()
    mariadb.insert("accounts", *({"id": 100 + n, "number": f"W{n}", "balance": 5} for n in range(ACCOUNTS)))
    database = Database("astpp_outbox_faults", "astpp_addon")
    database.shell(SET_UP.format(port=mariadb.port, accounts=ACCOUNTS, changes=CHANGES))
    yield database
    database.drop()


def assert_applied(database, mariadb):
    """Both sides agree, to the last change, in order."""
    assert database.query("SELECT state, count(*) FROM astpp_outbox GROUP BY 1") == [("applied", ACCOUNTS * CHANGES)]
    balances = mariadb.execute("SELECT DISTINCT balance FROM accounts WHERE id >= 100")
    assert [float(balance) for (balance,) in balances] == [5 + TOTAL]
    rows = "SELECT count(*), count(DISTINCT transaction_id) FROM payment_transaction"
    assert mariadb.execute(rows) == ((ACCOUNTS * CHANGES, ACCOUNTS * CHANGES),)
    assert mariadb.execute("SELECT count(*) FROM invoice_details") == ((ACCOUNTS * CHANGES,),)
    unordered = """
        SELECT 1 FROM invoice_details a JOIN invoice_details b ON b.accountid = a.accountid AND b.id > a.id
         WHERE b.credit < a.credit
    """
    assert not mariadb.execute(unordered)


def test_killed_at_any_moment(database, mariadb):
    generator = random.Random(3)
    for _round in range(ROUNDS):
        process = database.start_ready(APPLY)
        time.sleep(generator.uniform(0, 0.6))
        process.kill()
        process.communicate()
    database.shell(APPLY)
    assert_applied(database, mariadb)


def test_two_at_once_and_a_database_that_dies(database, mariadb):
    processes = [database.start_ready(APPLY) for _process in range(2)]
    time.sleep(0.3)
    mariadb.kill()
    time.sleep(0.5)
    mariadb.start()
    for process in processes:
        process.communicate()
    with_failures = (
        "UPDATE astpp_outbox SET next_date = NULL, state = CASE state WHEN 'failed' THEN 'waiting' ELSE state END"
    )
    database.shell(f"env.cr.execute({with_failures!r})\nenv.cr.commit()")
    database.shell(APPLY)
    assert_applied(database, mariadb)
