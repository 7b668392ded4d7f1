"""However often Odoo's process or ASTPP's database dies during write-back, each change is applied exactly once.

FAULT_ROUNDS sets how often they are killed (make test-faults: 30).
"""

import os
import random
import time

import pytest

from odoo.addons.astpp_billing.tests.mariadb import MariaDb

from conftest import Database

ROUNDS = int(os.environ.get("FAULT_ROUNDS") or 4)
ACCOUNTS, CHANGES = 10, 6
# Number of statements for a balance, an order and the start of the next change: where a kill can happen.
STEPS = 22
SET_UP = """
from odoo.addons.astpp_billing.connector.changes import MinutesReset, OrderTerms
from odoo.addons.astpp_billing.models.writeback.astpp_outbox import Queued
server = env.ref("astpp_billing.astpp_server_main")
server.write({{"host": "127.0.0.1", "port": {port}, "database": "astpp", "user": "root", "password": "", "write_credit": True,
    "write_order": True}})
partner = env["res.partner"].create({{"name": "Customer"}})
accounts = env["astpp.account"].create([
    {{"server_id": server.id, "number": f"W{{n}}", "astpp_id": 100 + n, "partner_id": partner.id, "payment_mode": "prepaid"}}
    for n in range({accounts})
])
env["astpp.outbox"]._enqueue_balances(
    (account, 1 + n, f"topup/{{account.id}}-{{n}}", "Top-up") for n in range({changes}) for account in accounts
)
env["astpp.outbox"]._enqueue_changes(
    Queued(account, f"order/{{account.id}}/{{n}}", "Order", [
        OrderTerms(item_id=account.astpp_id, quantity=n + 1, price=1),
        MinutesReset(account_id=account.astpp_id, order_id=1),
    ])
    for n in range({changes}) for account in accounts
)
env.cr.commit()
"""
APPLY = """
import time
from odoo.addons.astpp_billing.models.writeback import astpp_outbox_apply
# Small enough to need several batches.
astpp_outbox_apply.BATCH = 50
print("READY", flush=True)
started = time.monotonic()
env["astpp.outbox"]._cron_apply()
env.cr.commit()
print("SECONDS", time.monotonic() - started)
"""
RETRY = """
env.cr.execute("UPDATE astpp_outbox SET next_date = NULL, attempts = 0, state = 'waiting' WHERE state <> 'applied'")
env.cr.commit()
"""
# Kill a process just before a certain statement is executed in ASTPP.
AT_STEP = """
import os, signal
from odoo.addons.astpp_billing.connector.writer import Writer
left, execute = [{step}], Writer.execute
def killing(writer, *arguments):
    left[0] -= 1
    if not left[0]:
        os.kill({victim}, signal.SIGKILL)
    return execute(writer, *arguments)
Writer.execute = killing
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
    accounts = range(100, 100 + ACCOUNTS)
    mariadb.insert("accounts", *({"id": n, "number": f"W{n - 100}", "balance": 5} for n in accounts))
    mariadb.insert("order_items", *({"id": n, "order_id": 1, "accountid": n, "quantity": 0} for n in accounts))
    mariadb.insert("counters", *({"id": n, "accountid": n, "package_id": 1, "used_seconds": 60} for n in accounts))
    database = Database("astpp_outbox_faults", "astpp_addon")
    database.shell(SET_UP.format(port=mariadb.port, accounts=ACCOUNTS, changes=CHANGES))
    yield database
    database.drop()


def assert_applied(database, mariadb):
    """Assert that all changes were applied in ASTPP, once and in order."""
    assert database.query("SELECT state, count(*) FROM astpp_outbox GROUP BY 1") == [
        ("applied", 2 * ACCOUNTS * CHANGES)
    ]
    balances = mariadb.execute("SELECT DISTINCT balance FROM accounts WHERE id >= 100")
    assert [float(balance) for (balance,) in balances] == [5 + TOTAL]
    rows = "SELECT count(*), count(DISTINCT transaction_id) FROM payment_transaction"
    assert mariadb.execute(rows) == ((2 * ACCOUNTS * CHANGES, 2 * ACCOUNTS * CHANGES),)
    assert mariadb.execute("SELECT DISTINCT quantity FROM order_items WHERE id >= 100") == ((CHANGES,),)
    replaced = """
        SELECT 1 FROM astpp_outbox WHERE kind = 'order'
           AND (rows_before->0->>'quantity')::int <> (rows->0->'values'->>'quantity')::int - 1
    """
    assert not database.query(replaced)
    assert mariadb.execute("SELECT DISTINCT used_seconds FROM counters") == ((0,),)
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


def test_two_processes_and_a_database_that_dies(database, mariadb):
    processes = [database.start_ready(APPLY) for _process in range(2)]
    time.sleep(0.3)
    mariadb.kill()
    time.sleep(0.5)
    mariadb.start()
    for process in processes:
        process.communicate()
    apply_rest(database)
    assert_applied(database, mariadb)


@pytest.mark.parametrize("victim", ["process", "mariadb"])
def test_killed_at_every_step(database, mariadb, victim):
    """Wherever it is killed, unfinished changes are rolled back and finished ones are not repeated."""
    steps = sorted(random.Random(5).sample(range(1, STEPS + 1), min(ROUNDS, STEPS)))
    for step in steps:
        pid = "os.getpid()" if victim == "process" else mariadb.process.pid
        process = database.start_shell(RETRY + AT_STEP.format(step=step, victim=pid) + APPLY)
        process.communicate()
        if victim == "mariadb":
            mariadb.process.wait()
            mariadb.start()
    apply_rest(database)
    assert_applied(database, mariadb)


def apply_rest(database):
    database.shell(RETRY + APPLY)
