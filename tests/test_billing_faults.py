"""However a billing run ends, the next one completes it, and every account is billed exactly once.

FAULT_ROUNDS sets how often a run is killed (make test-faults: 30).
"""

import os
import random
import time

import pytest

from conftest import Database

ROUNDS = int(os.environ.get("FAULT_ROUNDS") or 4)
# Number of times that a run is killed before it may finish.
KILLS = 2
ACCOUNTS = 200
SET_UP = f"""
from odoo.tools import SQL
server = env.ref("astpp_billing.astpp_server_main")
tax = env["account.tax"].search([("type_tax_use", "=", "sale"), ("company_id", "=", env.company.id)], limit=1)
server.call_product_id.taxes_id = tax
def accounts(numbers, **values):
    partners = env["res.partner"].create([{{"name": f"Customer {{n}}"}} for n in numbers])
    return env["astpp.account"].create([
        {{"server_id": server.id, "number": f"F{{n:04d}}", "partner_id": partner.id, "tz": "UTC",
          "billed_until": "2024-01-01 00:00:00", "cycle_interval": 60, **values}}
        for n, partner in zip(numbers, partners, strict=True)
    ])
reseller = accounts([9000], account_type="reseller")
env["astpp.issuer"].create({{"name": "Reseller", "account_id": reseller.id, "prefix": "R-"}})
made = accounts(range({ACCOUNTS} // 2)) | accounts(range({ACCOUNTS} // 2, {ACCOUNTS}), parent_id=reseller.id)
made.cycle_interval = 1
# Let last month be the period to bill.
env.cr.execute("UPDATE astpp_account SET billed_until = date_trunc('month', now()) - interval '1 month'")
made.invalidate_recordset()
env.add_to_compute(made._fields["next_period_end"], made)
env.add_to_compute(made._fields["next_invoice_date"], made)
env.flush_all()
env.cr.execute('''
    INSERT INTO astpp_usage (server_id, company_id, currency_id, account_id, partner_id, issuer_id, source, source_key,
                             date, charge_type, direction, duration, rated_amount, amount)
    SELECT a.server_id, a.company_id, %s, a.id, a.partner_id, a.issuer_id, 'cdr', a.id || '-' || n,
           a.billed_until + n * interval '1 hour', (ARRAY['standard', 'local', 'did'])[1 + n %% 3], 'outbound', 60,
           n * 0.0137, n * 0.0137
      FROM astpp_account a, generate_series(1, 30) n WHERE a.id = ANY(%s)
''', (server.currency_id.id, made.ids))
env["astpp.usage"]._retotal(SQL("u.total_id IS NULL"))
env.cr.commit()
"""
RUN = """
import time
from odoo.addons.astpp_billing.models.billing import astpp_billing_run_batch
astpp_billing_run_batch.BATCH = 10
billed = []
bill = astpp_billing_run_batch.AstppBillingRun._bill
def counted(run, accounts):
    bill(run, accounts)
    billed.append(len(accounts))
astpp_billing_run_batch.AstppBillingRun._bill = counted
print("READY", flush=True)
started = time.monotonic()
env["astpp.billing.run"]._cron_bill()
env.cr.commit()
print("SECONDS", time.monotonic() - started, "BILLED", sum(billed))
"""
# Processes that have printed READY go on at the same moment.
TOGETHER = 'import os\nwhile not os.path.exists("{go}"):\n    time.sleep(0.001)\n'
# Two people press the button on an account at once.
PRESS = """
import time
from odoo.exceptions import UserError
from odoo.service.model import retrying
account = env["astpp.account"].search([("number", "=", "F0000")])
print("READY", flush=True)
{together}
try:
    retrying(account.action_bill_now, env)
    print("PRESSED invoiced")
except UserError:
    print("PRESSED refused")
"""
# Another transaction changes the usage between summing and linking a batch, three times.
CONFLICTS = """
from odoo.addons.astpp_billing.models.billing import astpp_billing_run_batch
link = astpp_billing_run_batch.AstppBillingRun._link_usage
met = []
def disturbed(run, groups, moves):
    if len(met) < 3:
        with env.registry.cursor() as other:
            other.execute("UPDATE astpp_usage_total SET changed_date = now() WHERE account_id = ANY(%s)",
                          ([terms.account.id for terms in groups],))
        try:
            return link(run, groups, moves)
        except Exception as error:
            met.append(type(error).__name__)
            raise
    return link(run, groups, moves)
astpp_billing_run_batch.AstppBillingRun._link_usage = disturbed
"""
OUTCOME = """
    SELECT count(*), count(DISTINCT m.astpp_account_id), sum(m.amount_total), min(m.state), max(m.state),
           md5(string_agg(a.number || m.amount_total, ',' ORDER BY a.number))
      FROM account_move m JOIN astpp_account a ON a.id = m.astpp_account_id
"""


@pytest.fixture(scope="module")
def template():
    database = Database("astpp_billing_faults_template", "astpp_addon")
    database.shell(SET_UP)
    yield database
    database.drop()


@pytest.fixture
def fresh(template):
    """A database with 200 accounts of two issuers, due for one period."""
    database = Database("astpp_billing_faults", template.name)
    yield database
    database.drop()


@pytest.fixture(scope="module")
def expected(template):
    """The outcome of an undisturbed run, and the seconds it took."""
    database = Database("astpp_billing_faults_expected", template.name)
    seconds = float(database.shell(RUN).split("SECONDS ")[1].split()[0])
    outcome = database.query(OUTCOME)
    assert_sound(database, outcome)
    assert outcome[0][:2] == (ACCOUNTS, ACCOUNTS)
    database.drop()
    return outcome, seconds


def assert_sound(database, expected):
    """Assert that every account is billed once, numbers have no gap, and the ledger check finds nothing."""
    assert database.query(OUTCOME) == expected
    for prefix in ("INV_", "R-"):
        names = [
            name
            for (name,) in database.query("SELECT name FROM account_move WHERE astpp_series = %s ORDER BY name", prefix)
        ]
        assert names == [f"{prefix}{number:05d}" for number in range(1, ACCOUNTS // 2 + 1)]
    assert not database.query("SELECT 1 FROM account_move WHERE made_sequence_gap AND state = 'posted'")
    assert not database.query("SELECT 1 FROM astpp_usage_total WHERE move_line_id IS NULL AND lines > 0")
    assert not database.query(
        "SELECT 1 FROM astpp_account WHERE next_period_end <= now() AT TIME ZONE 'UTC' AND payment_mode = 'postpaid'"
    )
    # One list is made, once, and worked off.
    assert database.query("SELECT count(*), min(state), max(state) FROM astpp_billing_run") == [(1, "done", "done")]
    assert database.query("SELECT count(*), min(state), max(state) FROM astpp_billing_result") == [
        (ACCOUNTS, "invoiced", "invoiced")
    ]
    assert "VIOLATIONS 0" in database.shell("print('VIOLATIONS', env['astpp.violation']._check())")


def test_conflicts_are_retried(fresh, expected):
    """A batch whose usage was changed concurrently is retried and not recorded as failed."""
    out = fresh.shell(CONFLICTS + RUN + "print('MET', met)")
    assert "MET ['SerializationFailure', 'SerializationFailure', 'SerializationFailure']" in out, out
    assert_sound(fresh, expected[0])
    assert not fresh.query("SELECT 1 FROM astpp_billing_result WHERE state = 'failed'")


def test_killed_at_any_moment(template, expected):
    outcome, seconds = expected
    generator = random.Random(11)
    billed_at_a_kill = set()
    for _round in range(max(1, ROUNDS // KILLS)):
        database = Database("astpp_billing_faults", template.name)
        for _kill in range(KILLS):
            process = database.start_ready(RUN)
            time.sleep(generator.uniform(0, seconds / KILLS))
            process.kill()
            process.communicate()
            billed_at_a_kill.add(
                database.query("SELECT count(*) FROM account_move WHERE astpp_run_id IS NOT NULL")[0][0]
            )
        database.shell(RUN)
        assert_sound(database, outcome)
        database.drop()
    # At least one kill came in the middle of the work, not before or after it.
    assert billed_at_a_kill - {0, ACCOUNTS}
    assert all(count % 10 == 0 for count in billed_at_a_kill), "a batch is whole or not there"


def test_two_concurrent_runs(fresh, expected):
    processes = [fresh.start_ready(RUN) for _worker in range(2)]
    shares = []
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert "Traceback" not in err, err
        shares.append(int(out.split("BILLED ")[1]))
    assert all(shares), shares
    # One run may have skipped a batch that the other had locked and then did not bill.
    fresh.shell(RUN)
    assert_sound(fresh, expected[0])


def started_together(database, script, go):
    """Start the script in two processes that go on at the same moment, and return what they print."""
    processes = [database.start_ready(script) for _worker in range(2)]
    go.touch()
    outs = []
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert "Traceback" not in err, err
        outs.append(out)
    return outs


def test_two_runs_started_at_once_make_one_list(fresh, expected, tmp_path):
    go = tmp_path / "go"
    ready = 'print("READY", flush=True)\n'
    outs = started_together(fresh, RUN.replace(ready, ready + TOGETHER.format(go=go)), go)
    assert all(int(out.split("BILLED ")[1]) for out in outs), "both work it off"
    fresh.shell(RUN)
    assert_sound(fresh, expected[0])


def test_two_people_bill_up_to_now(fresh, tmp_path):
    """The period is cut once, and there is one invoice."""
    fresh.shell("""
from datetime import timedelta
from odoo import fields
account = env["astpp.account"].search([("number", "=", "F0000")])
account.with_context(astpp_billed=True).billed_until = fields.Datetime.now() - timedelta(hours=1)
env.cr.commit()
""")
    go = tmp_path / "go"
    outs = started_together(fresh, PRESS.format(together=TOGETHER.format(go=go)), go)
    assert sorted(out.split("PRESSED ")[1].split()[0] for out in outs) == ["invoiced", "refused"]
    assert fresh.query("SELECT count(*) FROM account_move WHERE astpp_run_id IS NOT NULL") == [(1,)]
    assert fresh.query("SELECT count(*), min(state) FROM astpp_billing_result") == [(1, "invoiced")]


def test_stopped_run_can_be_continued(fresh, expected):
    process = fresh.start_ready(RUN)
    while not fresh.query("SELECT 1 FROM account_move WHERE astpp_run_id IS NOT NULL LIMIT 1"):
        time.sleep(0.05)
    fresh.shell("env['astpp.billing.run'].search([('state', '=', 'running')]).action_stop(); env.cr.commit()")
    _out, err = process.communicate(timeout=300)
    assert "Traceback" not in err, err
    [(state, billed)] = fresh.query(
        "SELECT r.state, count(m.id) FROM astpp_billing_run r JOIN account_move m ON m.astpp_run_id = r.id GROUP BY r.state"
    )
    if billed < ACCOUNTS:
        assert state == "stopped"
    fresh.shell("""
run = env["astpp.billing.run"].search([])
run.state == "stopped" and run.action_run()
env.cr.commit()
""")
    fresh.shell(RUN)
    assert_sound(fresh, expected[0])
