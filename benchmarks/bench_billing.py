"""Bill thousands of accounts, compared with a loop over Odoo's own API and with OCA's contract module.

make bench            (or dev/bench billing --accounts 200 for a quick look, --lines 2000 for more calls an account)
"""

import argparse
import os
import subprocess
import time

from bench_database import ROOT, copy, figure, remove, restore, shell, start, start_shell

CONTRACT = "odoo-addon-contract==19.0.1.2.1.2"
SET_UP = """
from odoo.tools import SQL
server = env.ref("astpp_billing.astpp_server_main")
tax = env["account.tax"].search([("type_tax_use", "=", "sale"), ("company_id", "=", env.company.id)], limit=1)
server.call_product_id.taxes_id = tax
def make(first, count, **values):
    partners = env["res.partner"].create([{"name": f"Customer {n}"} for n in range(first, first + count)])
    return env["astpp.account"].with_context(tracking_disable=True).create([
        {"server_id": server.id, "number": f"B{n:06d}", "partner_id": partner.id, "tz": "UTC",
         "billed_until": "2024-01-01 00:00:00", "invoice_enabled": False, **values}
        for n, partner in zip(range(first, first + count), partners, strict=True)
    ])
reseller = make(900000, 1, account_type="reseller")
env["astpp.issuer"].create({"name": "Reseller", "account_id": reseller.id, "prefix": "R-"})
made = make(0, COUNT // 2) | make(COUNT // 2, COUNT - COUNT // 2, parent_id=reseller.id) | make(500000, COUNT // 10)
# As few accounts with ten times the calls each.
busy = make(700000, COUNT // 10)
env.flush_all()
env.cr.execute("UPDATE astpp_account SET billed_until = date_trunc('month', now()) - interval '1 month'")
env.invalidate_all()
for name in ("next_period_end", "next_invoice_date"):
    env.add_to_compute(made._fields[name], made | busy)
env.flush_all()
for accounts, lines in ((made, LINES), (busy, 10 * LINES)):
    env.cr.execute('''
    INSERT INTO astpp_usage (server_id, company_id, currency_id, account_id, partner_id, issuer_id, source, source_key,
                             date, charge_type, direction, callee, destination, duration, rated_amount, amount)
    SELECT a.server_id, a.company_id, %s, a.id, a.partner_id, a.issuer_id, 'cdr', a.id || '-' || n,
           a.billed_until + n * interval '25 days' / %s, (ARRAY['standard', 'local', 'did', 'fax', 'standard'])[1 + n %% 5],
           CASE WHEN n %% 5 = 4 THEN 'inbound' ELSE 'outbound' END, '442012345678', 'United Kingdom', 60, n * 0.0137, n * 0.0137
      FROM astpp_account a, generate_series(1, %s) n WHERE a.id = ANY(%s)
    ''', (server.currency_id.id, lines, lines, accounts.ids))
env["astpp.usage"]._retotal(SQL("u.total_id IS NULL"))
env.cr.commit()
"""
STEPS = ("_write_list", "_claim", "_collect", "_create_moves", "_link_usage", "_post")
# Select the accounts that a run bills: a small tenth, or all others.
SWITCH = """
env.cr.execute("UPDATE astpp_account SET invoice_enabled = number >= %s AND number < %s", (FIRST, LAST))
env.cr.commit()
env.invalidate_all()
"""
BILL = """
import resource, time
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
spent = {}
cls = type(env["astpp.billing.run"])
def timed(name):
    function = getattr(cls, name)
    def wrapper(self, *args, **kwargs):
        started = time.monotonic()
        try:
            return function(self, *args, **kwargs)
        finally:
            spent[name] = spent.get(name, 0.0) + time.monotonic() - started
    setattr(cls, name, wrapper)
for name in STEPS:
    timed(name)
base = peak()
started = time.monotonic()
env["astpp.billing.run"]._cron_bill()
env.cr.commit()
print("SECONDS", time.monotonic() - started, "PEAK", peak(), "FAILED", env["astpp.billing.result"].search_count([("state", "=", "failed")]))
for name, seconds in spent.items():
    print("STEP", name, seconds)
"""
STOCK = """
import time
moves = env["account.move"].search([("astpp_run_id", "!=", False), ("move_type", "=", "out_invoice")], limit=COUNT)
values = [{
    "move_type": "out_invoice", "partner_id": move.partner_id.id, "journal_id": move.journal_id.id,
    "invoice_date": move.invoice_date, "currency_id": move.currency_id.id,
    "invoice_line_ids": [(0, 0, {"product_id": line.product_id.id, "name": line.name, "quantity": 1, "price_unit": line.price_unit})
                         for line in move.invoice_line_ids],
} for move in moves]
env.invalidate_all()
started = time.monotonic()
for first in range(0, len(values), 100):
    env["account.move"].create(values[first:first + 100]).action_post()
    env.cr.commit()
    env.invalidate_all()
print("SECONDS", time.monotonic() - started, "INVOICES", len(values))
"""
INSTALL_CONTRACT = """
env["ir.module.module"].update_list()
env["ir.module.module"].search([("name", "=", "contract")]).button_immediate_install()
env.cr.commit()
"""
CONTRACTS = """
import time
from datetime import date
product = env.ref("astpp_billing.astpp_server_main").call_product_id
journal = env["account.journal"].search([("type", "=", "sale"), ("company_id", "=", env.company.id)], limit=1)
partners = env["astpp.account"].search([], limit=COUNT).partner_id
contracts = env["contract.contract"].create([{
    "name": partner.name, "partner_id": partner.id, "contract_type": "sale", "journal_id": journal.id,
    "line_recurrence": True,
    "contract_line_ids": [(0, 0, {
        "product_id": product.id, "name": f"Calls {n}", "quantity": 1, "price_unit": 12.34 + n, "recurring_rule_type": "monthly",
        "recurring_interval": 1, "date_start": date(2024, 1, 1), "recurring_next_date": date(2024, 1, 1),
    }) for n in range(5)],
} for partner in partners])
env.cr.commit()
env.invalidate_all()
started = time.monotonic()
count = 0
for first in range(0, len(contracts), 100):
    moves = contracts[first:first + 100]._recurring_create_invoice(date(2024, 1, 1))
    moves.action_post()
    count += len(moves)
    lines = len(moves[:1].invoice_line_ids)
    env.cr.commit()
    env.invalidate_all()
print("SECONDS", time.monotonic() - started, "INVOICES", count, "EACH", lines)
"""
ORDINARY = """
import time
journal = env["account.journal"].search([("type", "=", "sale"), ("company_id", "=", env.company.id)], limit=1)
tax = env["account.tax"].search([("type_tax_use", "=", "sale"), ("company_id", "=", env.company.id)], limit=1)
product = env["product.product"].create({"name": "Service", "type": "service", "taxes_id": [(6, 0, tax.ids)]})
partners = env["res.partner"].create([{"name": f"Ordinary {n}"} for n in range(60)])
def drafts():
    return env["account.move"].create([{
        "move_type": "out_invoice", "partner_id": partner.id, "journal_id": journal.id, "invoice_date": "2024-02-01",
        "invoice_line_ids": [(0, 0, {"product_id": product.id, "name": f"{n}", "quantity": 1, "price_unit": 10 + n}) for n in range(5)],
    } for partner in partners])
best = 1e9
for _turn in range(8):
    moves = drafts()
    # Statistics of an empty table mislead PostgreSQL's planner.
    env.cr.commit()
    env.cr.execute("ANALYZE")
    started = time.monotonic()
    moves.action_post()
    env.flush_all()
    best = min(best, time.monotonic() - started)
    env.cr.commit()
# The same once more, counted instead of timed.
import cProfile, pstats
moves = drafts()
env.cr.commit()
queries, profile = env.cr.sql_log_count, cProfile.Profile()
profile.enable()
moves.action_post()
env.flush_all()
profile.disable()
print("SECONDS", best)
print("CALLS", pstats.Stats(profile).total_calls)
print("QUERIES", env.cr.sql_log_count - queries)
"""


def bill(database, first, last):
    shell(database, SWITCH.replace("FIRST", repr(first)).replace("LAST", repr(last)))
    out = shell(database, BILL.replace("STEPS", repr(STEPS)))
    assert figure(out, "FAILED") == 0, out
    return out


def bill_by_two(database):
    """Return the seconds that two parallel processes take, without their start-up."""
    shell(database, SWITCH.replace("FIRST", "'B000000'").replace("LAST", "'B500000'"))
    workers = [start_shell(database, BILL.replace("STEPS", repr(STEPS))) for _worker in range(2)]
    outs = [worker.communicate()[0] for worker in workers]
    return max(figure(out, "SECONDS") for out in outs)


def contract_addons():
    """Download OCA's contract module for the benchmark and return its addons folder."""
    target = ROOT / ".local/bench-addons"
    pip = [
        ROOT / ".local/venv/bin/python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--upgrade",
        "--target",
        target,
    ]
    subprocess.run([*pip, CONTRACT], check=True)
    return str(target / "odoo/addons")


def ordinary():
    """Return by which factors posting ordinary invoices takes more with the addon: seconds, function calls, queries.

    Of the seconds, the best of several turns; the others are the same each time.
    """
    restore("bench_without", "astpp_base")
    restore("bench_with", "astpp_addon")
    outs = {"bench_without": [], "bench_with": []}
    for _turn in range(3):
        for database, found in outs.items():
            found.append(shell(database, ORDINARY))
    best = {
        database: [min(figure(out, name) for out in found) for name in ("SECONDS", "CALLS", "QUERIES")]
        for database, found in outs.items()
    }
    return [ours / others for ours, others in zip(best["bench_with"], best["bench_without"], strict=True)]


def few_large():
    """Return the output of billing 56 accounts with 850,000 calls."""
    restore("bench_large", "astpp_addon")
    shell("bench_large", SET_UP.replace("COUNT", "56").replace("10 * LINES", "1").replace("LINES", "15179"))
    return bill("bench_large", "B000000", "B500000")


def report(count, lines, ours, small, busy, two, stock, contract, slower, large):
    each = figure(ours, "SECONDS") / count * 1000
    steps = {
        line.split()[1]: float(line.split()[2]) / count * 1000 for line in ours.splitlines() if line.startswith("STEP")
    }
    print(f"{time.strftime('%Y-%m-%d')}, {count:,} accounts, {count * lines:,} usage lines, {os.cpu_count()} cores")
    print(f"ours, end to end                {each:7.1f} ms an invoice")
    print("   " + ", ".join(f"{name.strip('_')} {spent:.1f}" for name, spent in steps.items()))
    print(f"   collect and link                {steps['_collect'] + steps['_link_usage']:.2f}")
    for name, out in (("stock create + action_post", stock), ("OCA contract", contract)):
        other = figure(out, "SECONDS") / figure(out, "INVOICES") * 1000
        print(f"{name:<31} {other:7.1f} ms an invoice; ours is {each / other:.2f} of it")
    growth = figure(ours, "SECONDS") / figure(small, "SECONDS")
    print(f"10 times the accounts            {growth:6.1f} times the seconds")
    calls = figure(busy, "SECONDS") / figure(small, "SECONDS")
    print(f"10 times the calls an account    {calls:6.2f} times the seconds")
    peaks = figure(small, "PEAK"), figure(ours, "PEAK")
    print(
        f"peak memory                     {peaks[1]:7.0f} MB, {peaks[1] - peaks[0]:+.0f} MB against a tenth of the accounts"
    )
    print(f"two workers                     {figure(ours, 'SECONDS') / two:7.2f} times as fast as one")
    seconds, calls, queries = (factor - 1 for factor in slower)
    print(
        f"posting ordinary invoices       {seconds:+7.1%} with the addon, function calls {calls:+.1%}, queries {queries:+.1%}"
    )
    print(f"56 accounts, 850,000 calls        {figure(large, 'SECONDS'):6.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--lines", type=int, default=200, help="calls an account")
    options = parser.parse_args()
    count, lines = options.accounts, options.lines
    start()
    try:
        restore("bench_accounts", "astpp_addon")
        shell("bench_accounts", SET_UP.replace("COUNT", str(count)).replace("LINES", str(lines)))
        copy("bench_two", "bench_accounts")
        small = bill("bench_accounts", "B500000", "B700000")
        busy = bill("bench_accounts", "B700000", "B900000")
        ours = bill("bench_accounts", "B000000", "B500000")
        stock = shell("bench_accounts", STOCK.replace("COUNT", str(count)))
        two = bill_by_two("bench_two")
        extra = {"EXTRA_ADDONS": contract_addons()}
        shell("bench_accounts", INSTALL_CONTRACT, **extra)
        contract = shell("bench_accounts", CONTRACTS.replace("COUNT", str(count)), **extra)
        report(count, lines, ours, small, busy, two, stock, contract, ordinary(), few_large())
    finally:
        remove()


if __name__ == "__main__":
    main()
