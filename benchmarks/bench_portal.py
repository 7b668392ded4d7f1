"""The portal's pages and the ledger check with many lines: their cost must not depend on how many calls there are.

dev/bench portal [--lines 1000000] [--accounts 5000]
"""

import argparse
import os
import re
import socket as sockets
import statistics
import subprocess
import time
from pathlib import Path

import requests
from bench_database import ROOT, remove, restore, shell, start

SET_UP = """
from odoo.tools import SQL
server = env.ref("astpp_billing.astpp_server_main")
people = env["res.partner"].create([{"name": "Reseller"}, *({"name": f"Customer {n}"} for n in range(%(accounts)s))])
reseller = env["astpp.account"].create({"server_id": server.id, "number": "R1", "partner_id": people[0].id,
                                        "account_type": "reseller", "tz": "UTC"})
reseller.action_create_issuer()
made = env["astpp.account"].create([
    {"server_id": server.id, "number": f"P{n:05d}", "partner_id": partner.id, "tz": "UTC", "parent_id": reseller.id}
    for n, partner in enumerate(people[1:])
])
env["res.users"].with_context(no_reset_password=True).create({
    "name": "Reseller", "login": "bench", "password": "bench", "partner_id": people[0].id,
    "group_ids": [(6, 0, env.ref("base.group_portal").ids)],
})
env.flush_all()
env.cr.execute('''
    INSERT INTO astpp_usage (server_id, company_id, currency_id, account_id, partner_id, issuer_id, source, source_key,
                             date, charge_type, direction, callee, destination, duration, rated_amount, amount)
    SELECT a.server_id, a.company_id, %s, a.id, a.partner_id, a.issuer_id, 'cdr', a.id || '-' || n,
           now() AT TIME ZONE 'UTC' - mod(n * 26000 + a.id, 60 * 24 * 3600) * interval '1 second', 'standard', 'outbound',
           '442012345678', 'Country ' || mod(n, 10), 60, 0.0137, 0.0137
      FROM astpp_account a, generate_series(1, %s) n WHERE a.id = ANY(%s)
''', (server.currency_id.id, %(lines)s // %(accounts)s, made.ids))
env["astpp.usage"]._retotal(SQL("u.total_id IS NULL"))
env.cr.commit()
env.cr._cnx.autocommit = True
env.cr.execute("VACUUM ANALYZE")
print("ACCOUNT", made[7].id)
"""
# The check whole, and as each night when nothing is new.
CHECK = """
import time
from odoo import fields
for name, since in (("WHOLE", None), *[("NIGHTLY", fields.Datetime.now())] * 3):
    started = time.monotonic()
    found = env["astpp.violation"]._check(since)
    print(name, time.monotonic() - started, "FOUND", found)
"""
PAGES = {
    "dashboard": "/my/reseller",
    "customers": "/my/reseller/customers",
    "a customer": "/my/reseller/customers/{account}",
    "invoices": "/my/reseller/invoices",
    "charges of all customers, this month": "/my/charges?below=1",
    "charges of all customers, all time": "/my/charges?below=1&period=all",
    "their totals, which come after the page": "/my/charges/totals?below=1&period=all",
    "the dashboard's chart, which comes after the page": "/my/reseller/usage",
    "charges of one customer": "/my/charges?account_id={account}&period=all",
}


def measure(lines, accounts):
    """Return what is measured in a database with so many lines.

    :return: ({page: (queries, median ms)}, {kind of check: best seconds}, figures of the file downloads)
    """
    restore("bench_portal", "astpp_addon")
    values = {"%(accounts)s": accounts, "%(lines)s": lines}
    script = SET_UP
    for name, value in values.items():
        script = script.replace(name, str(value))
    out = shell("bench_portal", script)
    account = out.split("ACCOUNT ")[1].split()[0]
    with sockets.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = ROOT / ".local/log/bench-portal.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [ROOT / "dev/odoo", "-d", "bench_portal", "--http-port", str(port), "--max-cron-threads", "0",
             "--log-handler", "werkzeug:INFO"],
            cwd=ROOT, env=dict(os.environ), stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        session = log_in(f"http://127.0.0.1:{port}")
        found = {}
        for name, url in PAGES.items():
            times = []
            for _round in range(6):
                started = time.monotonic()
                response = session.get(f"http://127.0.0.1:{port}{url.format(account=account)}")
                times.append(1000 * (time.monotonic() - started))
                assert response.status_code == 200, (url, response.status_code)
            time.sleep(0.2)
            queries = re.findall(r'"GET [^"]+" 200 - (\d+) ', log.read_text())[-1]
            # Leave out the first request, which compiles the page's templates.
            found[name] = (int(queries), statistics.median(times[1:]))
        return found, check(), [download(session, port, server.pid, kind) for kind in ("csv", "xlsx")]
    finally:
        server.terminate()
        server.wait()


def check():
    """Return the seconds of the ledger check: {"whole": all of it, "nightly": nothing new}."""
    out = shell("bench_portal", CHECK)
    assert set(re.findall(r"FOUND (\d+)", out)) == {"0"}, out
    return {
        name.lower(): min(float(seconds) for seconds in re.findall(rf"{name} ([\d.]+)", out))
        for name in ("WHOLE", "NIGHTLY")
    }


def download(session, port, pid, kind):
    """Download all lines as a file; return (kind, lines, MB of the file, MB that the server's peak memory grew)."""
    before, lines, size = memory(pid), 0, 0
    url = f"http://127.0.0.1:{port}/my/charges.{kind}?below=1&period=all"
    with session.get(url, stream=True) as response:
        for chunk in response.iter_content(1 << 16):
            lines, size = lines + chunk.count(b"\n"), size + len(chunk)
    assert response.status_code == 200, kind
    return kind, lines, size / 1e6, memory(pid) - before


def memory(pid):
    """Return a process's peak memory in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def log_in(url):
    session = requests.Session()
    for _second in range(60):
        try:
            page = session.get(f"{url}/web/login")
            break
        except requests.ConnectionError:
            time.sleep(1)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    session.post(f"{url}/web/login", data={"login": "bench", "password": "bench", "csrf_token": token})
    return session


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=5_000)
    options = parser.parse_args()
    start()
    try:
        few, checked_few, _files = measure(options.lines // 100, max(options.accounts // 100, 2))
        many, checked_many, files = measure(options.lines, options.accounts)
    finally:
        remove()
    print(f"{options.lines // 100} and {options.lines} lines")
    for name in PAGES:
        (queries, spent), (more, longer) = few[name], many[name]
        print(f"{name}: {queries} and {more} queries, {spent:.0f} and {longer:.0f} ms, {longer / spent:.2f}")
    for name, seconds in checked_many.items():
        print(f"ledger check, {name}: {checked_few[name]:.2f} and {seconds:.2f} s")
    for kind, lines, size, grown in files:
        counted = f"{lines} lines, " if kind == "csv" else ""
        print(f"all charges as {kind}: {counted}{size:.0f} MB, {grown:.0f} MB more memory at its peak")


main()
