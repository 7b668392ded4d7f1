"""Upgrading a database of the previous release keeps all amounts, gives the schema of a new installation, and works."""

import subprocess
import tarfile

import pytest

from odoo.addons.astpp_billing.tests.mariadb import MariaDb

from conftest import LOCAL, ROOT, Database, environment

[RELEASE] = (ROOT / "tests/releases").glob("*.tar.xz")
# Data of the previous release: billed and unbilled usage, a held call, an order with minutes and a number, a top-up,
# a coupon, a reseller, a draft, a cancelled invoice, an account that cannot be billed, and changes that wait for ASTPP.
FILL = """
from odoo import fields
server = env.ref("astpp_billing.astpp_server_main")
server.write({{"host": "127.0.0.1", "port": {port}, "database": "astpp", "user": "root", "password": "",
               "write_credit": True, "write_order": True, "write_did": True, "renewals_by": "odoo"}})
def account(number, astpp_id, **values):
    partner = env["res.partner"].create({{"name": f"Customer {{number}}", "email": f"{{number}}@example.com"}})
    return env["astpp.account"].create(
        {{"server_id": server.id, "number": number, "astpp_id": astpp_id, "partner_id": partner.id, "tz": "UTC",
          "billed_until": "2026-01-01 00:00:00", **values}}
    )
reseller = account("R", 100, account_type="reseller")
env["astpp.issuer"].create({{"name": "Reseller", "account_id": reseller.id, "prefix": "R-"}})
customers = account("A", 101) + account("B", 102, parent_id=reseller.id) + account("C", 103, payment_mode="prepaid")
# There is no rate of its currency.
failing = account("D", 104, currency_id=env.ref("base.JPY").id)
customers += failing
env["astpp.usage"].create([
    {{"account_id": customer.id, "amount": 10 + day, "date": f"2026-01-{{day:02}} 10:00:00", "description": "Installation"}}
    for customer in customers for day in range(1, 29)
])
# Prepaid until now: what was used until then is paid live, whatever the account is by now.
switched = account("E", 105, payment_mode="prepaid", billed_until="2026-02-01 00:00:00")
env["astpp.usage"].create([
    {{"account_id": switched.id, "amount": 3, "date": f"2026-01-{{day:02}} 10:00:00", "description": "Installation"}}
    for day in range(1, 5)
])
switched.write({{"payment_mode": "postpaid"}})
def bill():
    env.flush_all()
    env.cr.execute("UPDATE astpp_account SET next_period_end = '2026-02-01', next_invoice_date = '2026-02-01'"
                   " WHERE payment_mode = 'postpaid' AND billed_until < '2026-02-01'")
    env.invalidate_all()
    env["astpp.billing.run"]._cron_bill()
bill()
failing.billing_retry_date = False
bill()
product, by_day, yearly = env["product.product"].create([
    {{"name": "Talk", "type": "service", "astpp_type": "package", "list_price": 30, "astpp_recurring": True,
      "astpp_period_unit": "month", "astpp_period_count": 1, "astpp_free_minutes": 100, **values}}
    for values in ({{}}, {{"list_price": 31, "astpp_prorate": True, "astpp_refund_unused": True}},
                   {{"list_price": 365, "astpp_period_unit": "year"}})
])
order = env["astpp.subscription"].create(
    {{"account_id": customers[0].id, "product_id": product.id, "astpp_id": 55}})
order.action_start()
changing, paused, ending, changed = env["astpp.subscription"].create(
    [{{"account_id": customers[0].id, "product_id": each.id}} for each in (product, by_day, by_day, by_day)])
(changing + paused + ending + changed).action_start()
changing._plan_change(changing.next_date, yearly)
paused.action_suspend()
ending.end_date = ending.next_date
changed._plan_change(fields.Datetime.now(), quantity=2)
env["astpp.outbox"]._enqueue_balances([(customers[2], 12.5, "topup/1", "Top-up")])
env["astpp.outbox"]._enqueue_rows("order", [(customers[0], "order/55/1", "Order", [
    {{"table": "order_items", "match": {{"id": 55}}, "values": {{"quantity": 2, "price": "60.00000"}}}},
], {{}})])
env["astpp.coupon"]._generate(1, 2, {{"server_id": server.id, "amount": 5, "batch": "B", "currency_id": server.currency_id.id}})
env.cr.commit()
"""
SUMS = """
SELECT a.number, u.move_id IS NOT NULL, u.exception, u.prepaid, count(*), sum(u.amount)
  FROM astpp_usage u LEFT JOIN astpp_account a ON a.id = u.account_id GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
# The same, from what usage was added up to.
TOTALS = """
SELECT a.number, t.move_id IS NOT NULL, t.exception, t.prepaid, sum(t.lines), sum(t.amount)
  FROM astpp_usage_total t LEFT JOIN astpp_account a ON a.id = t.account_id GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
INVOICES = "SELECT name, state, amount_total, amount_residual FROM account_move WHERE astpp_account_id IS NOT NULL ORDER BY name"
GO_ON = """
wrong = env["astpp.violation"].search_count([])
env["astpp.violation"]._cron_check()
print("VIOLATIONS", env["astpp.violation"].search_count([]), wrong)
env.cr.execute("UPDATE astpp_account SET next_period_end = '2026-03-01', next_invoice_date = '2026-03-01'"
               " WHERE payment_mode = 'postpaid'")
env["astpp.usage"].create({"account_id": env["astpp.account"].search([("number", "=", "B")]).id, "amount": 7,
                           "date": "2026-02-10 10:00:00", "description": "Installation"})
env["astpp.billing.run"]._cron_bill()
env["astpp.outbox"]._cron_apply()
env.cr.commit()
print("WAITING", env["astpp.outbox"].search([("state", "not in", ("applied", "off"))]).mapped(lambda e: (e.state, e.message)))
"""
COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, numeric_precision FROM information_schema.columns
 WHERE table_schema = 'public' AND (table_name LIKE 'astpp%%' OR column_name LIKE 'astpp%%') ORDER BY 1, 2
"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE tablename LIKE 'astpp%%' OR indexdef LIKE '%%astpp%%' ORDER BY 1"
CONSTRAINTS = """
SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE conrelid::regclass::text LIKE 'astpp%%' ORDER BY 1, 2
"""
NAMES = "SELECT model, name FROM ir_model_data WHERE module = 'astpp_billing' ORDER BY 1, 2"


@pytest.fixture(scope="module")
def mariadb():
    server = MariaDb().start()
    server.make_astpp()
    server.insert("accounts", *({"id": 100 + n, "number": "RABCDE"[n], "balance": 0} for n in range(6)))
    server.insert("order_items", {"id": 55, "order_id": 1, "accountid": 101, "quantity": 1})
    yield server
    server.remove()


def addons_path(folder):
    """Return Odoo's addons path with the previous release in place of the current code."""
    config = (LOCAL / "odoo-test.conf").read_text(encoding="utf-8")
    [path] = [line.split("=", 1)[1].strip() for line in config.splitlines() if line.startswith("addons_path")]
    return ",".join(str(folder) if entry == str(ROOT) else entry for entry in path.split(","))


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory, mariadb):
    """Yield (upgraded database, sums before, invoices before, log of the upgrade)."""
    folder = tmp_path_factory.mktemp("release")
    with tarfile.open(RELEASE) as release:
        release.extractall(folder, filter="data")
    scratch = Database("astpp_upgrade", "astpp_base")
    old = ["--addons-path", addons_path(folder)]
    scratch.odoo("-i", "astpp_billing", "--stop-after-init", *old)
    done = subprocess.run(
        [*scratch.command("shell"), "--no-http", "--log-level", "error", *old], input=FILL.format(port=mariadb.port),
        env=environment(), cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    before = scratch.query(SUMS), scratch.query(INVOICES)
    log = scratch.odoo("-u", "astpp_billing", "--stop-after-init")
    yield scratch, *before, log
    scratch.drop()


def test_amounts_are_the_same(upgraded):
    database, sums, invoices, log = upgraded
    assert len(sums) > 3
    assert len(invoices) > 1, "there was something to upgrade"
    assert database.query(TOTALS) == sums
    database.shell('env["astpp.usage"]._reterm(env["astpp.account"].search([])); env.cr.commit()')
    assert database.query(TOTALS) == sums, "each by the terms of its date"
    assert database.query(INVOICES) == invoices
    complaints = [line for line in log.splitlines() if " WARNING " in line or " ERROR " in line]
    assert not [line for line in complaints if "astpp" in line.replace("astpp_upgrade", "")]


@pytest.mark.parametrize(
    "what", [COLUMNS, INDEXES, CONSTRAINTS, NAMES], ids=["columns", "indexes", "constraints", "ids"]
)
def test_schema_equals_a_new_installation(upgraded, database, what):
    """Nothing is missing, and nothing of the previous release is left behind."""
    there, wanted = set(upgraded[0].query(what)), set(database.query(what))
    assert not wanted - there, "missing after the upgrade"
    assert not there - wanted, "left behind by the upgrade"


def test_failure_is_one_open_item(upgraded):
    """The last failure of an account is tried again; the one before stays as it is."""
    failures = upgraded[0].query(
        "SELECT r.retry_date IS NOT NULL, r.failures, r.message LIKE '%%JPY%%', r.period_start = a.billed_until"
        "  FROM astpp_billing_result r JOIN astpp_account a ON a.id = r.account_id"
        " WHERE r.state = 'failed' AND a.number = 'D' ORDER BY r.id"
    )
    assert failures == [(False, 0, True, True), (True, 2, True, True)]


def test_terms_are_a_timeline(upgraded):
    """Terms have their periods and settings, pauses and ends have rows, and nothing is charged anew."""
    database = upgraded[0]
    terms = database.query(
        "SELECT l.period_unit, l.period_count, COALESCE(l.prorate, FALSE), l.status, COALESCE(l.applied, FALSE), l.quantity,"
        "       l.billing_day"
        "  FROM astpp_subscription_line l JOIN astpp_subscription s ON s.id = l.subscription_id"
        " WHERE s.astpp_id IS NULL OR s.astpp_id = 0 ORDER BY s.id, l.date"
    )
    assert terms == [
        ("month", 1, False, "active", True, 1, 0),
        ("year", 1, False, "active", False, 1, 0),
        ("month", 1, True, "active", True, 1, 1),
        ("month", 1, True, "paused", True, 1, 1),
        ("month", 1, True, "active", True, 1, 1),
        ("month", 1, True, "ended", False, 1, 1),
        ("month", 1, True, "active", True, 2, 1),
    ]
    undated = "SELECT count(*) FROM astpp_usage WHERE source = 'subscription' AND period_date IS NULL"
    assert database.query(undated) == [(0,)]
    out = database.shell(
        'charged = env["astpp.subscription"].search([("state", "!=", "suspended")])._charge_difference()\n'
        'print("CHARGED", [(each["description"], each["amount"]) for each in charged])'
    )
    assert "CHARGED []" in out, out


def test_billing_and_write_back_continue(upgraded, mariadb):
    """The next period can be billed, and waiting changes are applied in ASTPP."""
    database = upgraded[0]
    out = database.shell(GO_ON)
    assert "VIOLATIONS 0 0" in out
    assert "WAITING []" in out, out
    [(name,)] = database.query("SELECT name FROM account_move WHERE name LIKE 'R-%%' ORDER BY name DESC LIMIT 1")
    assert name == "R-00002"
    assert mariadb.execute("SELECT balance FROM accounts WHERE id = 103")[0][0] == 12.5
    assert mariadb.execute("SELECT quantity, price FROM order_items WHERE id = 55") == ((2, 60),)
