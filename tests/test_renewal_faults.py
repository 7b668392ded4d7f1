"""Renewals that are killed at any moment still charge every period once, and a coupon is redeemed once.

FAULT_ROUNDS sets how often a run is killed (make test-faults: 30).
"""

import os
import random
import time

import pytest

from conftest import Database

ROUNDS = int(os.environ.get("FAULT_ROUNDS") or 3)
ORDERS = 100
PERIODS = 4
SET_UP = f"""
from odoo.tools import SQL
server = env.ref("astpp_billing.astpp_server_main")
partner = env["res.partner"].create({{"name": "Customer", "email": "customer@example.com"}})
account = env["astpp.account"].create(
    {{"server_id": server.id, "number": "F1", "partner_id": partner.id, "tz": "UTC", "payment_mode": "prepaid"}}
)
product = env["product.product"].create(
    {{"name": "Talk", "type": "service", "astpp_type": "package", "list_price": 3, "astpp_recurring": True,
      "astpp_period_unit": "day", "astpp_period_count": 10, "astpp_free_minutes": 100}}
)
orders = env["astpp.subscription"].create([{{"account_id": account.id, "product_id": product.id}}] * {ORDERS})
orders.action_start()
env.flush_all()
# Let the orders miss some periods.
env.cr.execute("UPDATE astpp_subscription SET next_date = date_trunc('day', now()) - interval '{PERIODS * 10 - 5} days',"
               " start_date = date_trunc('day', now()) - interval '{PERIODS * 10 + 5} days'")
env["astpp.usage"]._remove(SQL("TRUE"), ("id",))
env.cr.execute("DELETE FROM astpp_outbox")
env["astpp.coupon"]._generate(1, 12, {{"server_id": server.id, "amount": 5, "batch": "B",
                                       "currency_id": server.currency_id.id}})
env.cr.commit()
"""
RUN = """
import time
from odoo.addons.astpp_billing.models.services import astpp_subscription_renewal
astpp_subscription_renewal.AstppSubscription._renew_batch.__defaults__ = (20,)
print("READY", flush=True)
started = time.monotonic()
env["astpp.subscription"]._cron_renew()
env.cr.commit()
print("SECONDS", time.monotonic() - started)
"""
REDEEM = """
import time
coupon = env["astpp.coupon"].search([("batch", "=", "B")])
account = env["astpp.account"].search([], limit=1)
print("READY", flush=True)
# Wait until both processes have read the coupon as unused.
time.sleep(2)
try:
    env["astpp.coupon"]._redeem(coupon.number, account)
    time.sleep(1)
    env.cr.commit()
    print("WON", flush=True)
except Exception as error:
    print("LOST", type(error).__name__, flush=True)
"""


@pytest.fixture(scope="module")
def template():
    database = Database("astpp_renewal_faults_template", "astpp_addon")
    database.shell(SET_UP)
    yield database
    database.drop()


@pytest.fixture
def fresh(template):
    database = Database("astpp_renewal_faults", template.name)
    yield database
    database.drop()


def assert_sound(database):
    """Assert that each order has each period once, in charges, included minutes, changes for ASTPP and notices."""
    per_order = "SELECT count(*), count(DISTINCT subscription_id), min(amount), max(amount) FROM astpp_usage"
    assert database.query(per_order) == [(ORDERS * PERIODS, ORDERS, 3, 3)]
    twice = "SELECT 1 FROM astpp_usage GROUP BY subscription_id, period_start HAVING count(*) > 1"
    assert not database.query(twice)
    assert database.query("SELECT count(*), sum(amount) FROM astpp_outbox") == [
        (ORDERS * PERIODS, -3 * ORDERS * PERIODS)
    ]
    # One allowance more, because the first was opened when the orders started.
    assert database.query("SELECT count(*) FROM astpp_allowance") == [(ORDERS * (PERIODS + 1),)]
    assert not database.query("SELECT 1 FROM astpp_subscription WHERE next_date <= now() AT TIME ZONE 'UTC'")
    renewed = "SELECT count(*) FROM astpp_notice WHERE kind = 'renewed'"
    assert database.query(renewed) == [(ORDERS,)], "one for all missed periods"


def test_killed_at_any_moment(template):
    generator = random.Random(5)
    seconds = None
    for number in range(ROUNDS):
        database = Database("astpp_renewal_faults", template.name)
        if number:
            process = database.start_ready(RUN)
            time.sleep(generator.uniform(0, seconds))
            process.kill()
            process.communicate()
        output = database.shell(RUN)
        seconds = seconds or float(output.split("SECONDS ")[1].split()[0])
        assert_sound(database)
        database.drop()


def test_two_concurrent_runs(fresh):
    processes = [fresh.start_ready(RUN) for _process in range(2)]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    fresh.shell(RUN)
    assert_sound(fresh)


REMIND = """
import time
from odoo.addons.astpp_billing.models.documents import astpp_notice
astpp_notice.BATCH = 10
cls = type(env["astpp.subscription"])
notify = cls._notify
def slowly(self, *arguments):
    # Slow down, so that the process is killed in the middle even on a fast machine.
    time.sleep(0.2)
    return notify(self, *arguments)
cls._notify = slowly
print("READY", flush=True)
env["astpp.notice"]._cron_remind()
env.cr.commit()
"""


def test_reminders_are_resumed(fresh):
    """After a run was killed in the middle, the next one sends the remaining reminders and none twice."""
    soon = "UPDATE astpp_subscription SET next_date = now() AT TIME ZONE 'UTC' + interval '2 days'"
    fresh.shell(f"env.cr.execute({soon!r})\nenv.cr.commit()")
    before = fresh.query("SELECT count(*) FROM mail_mail")[0][0]
    counts = set()
    generator = random.Random(2)
    for _kill in range(2):
        process = fresh.start_ready(REMIND)
        time.sleep(generator.uniform(0.1, 0.5))
        process.kill()
        process.communicate()
        counts.add(fresh.query("SELECT count(*) FROM astpp_notice WHERE kind = 'reminder'")[0][0])
    fresh.shell(REMIND)
    assert fresh.query(
        "SELECT count(*), count(DISTINCT subscription_id) FROM astpp_notice WHERE kind = 'reminder'"
    ) == [(ORDERS, ORDERS)]
    assert fresh.query("SELECT count(*) FROM mail_mail")[0][0] - before == ORDERS
    assert counts != {ORDERS}, "it was killed in the middle"


def test_a_coupon_is_redeemed_once(fresh):
    processes = [fresh.start_ready(REDEEM) for _process in range(2)]
    outputs = [process.communicate()[0] for process in processes]
    assert sorted("WON" in output for output in outputs) == [False, True], outputs
    assert fresh.query("SELECT count(*), sum(amount) FROM astpp_outbox WHERE key LIKE 'coupon/%%'") == [(1, 5)]
