"""Synchronise a million calls, compared with a hand-written reader and with the ORM.

make bench            (or dev/bench sync --calls 100000 for a quick look)
"""

import argparse
import os
import time

import bench_database
from bench_database import ROOT, remove, restore, start

ACCOUNTS = 5000
DATABASE = "astpp_bench"

MAKE_CALLS = """
    INSERT INTO cdrs (uniqueid, accountid, sip_user, callerid, callednum, billseconds, callstart, end_stamp, debit, cost,
                      pattern, notes, rate_cost, call_direction, calltype, disposition, translated_dst,
                      provider_call_cost)
    SELECT UUID(), 100 + seq %% {accounts}, '1000', 'Jane Doe <1000>', CONCAT('4420', seq), seq %% 600,
           UTC_TIMESTAMP() - INTERVAL (3600 + FLOOR(({calls} - seq) * 2600000 / {calls})) SECOND, UTC_TIMESTAMP(),
           (seq %% 600) * 0.0013, 0.01, '^44.*', 'United Kingdom', 0.1, 'outbound', 'STANDARD', 'NORMAL_CLEARING [16]',
           '', 0
      FROM seq_1_to_{calls}
"""
PREAMBLE = """
import resource, time
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
server = env["astpp.server"].search([("host", "!=", False)])
"""
SYNC = """
base = peak()
started = time.monotonic()
assert server._sync(), server.sync_error
print("SECONDS", time.monotonic() - started, "PEAK", base, peak())
for step in server.sync_step_ids.filtered(lambda step: step.seconds > 0.2):
    print("STEP", step.step, round(step.seconds, 1))
"""
# A lower bound for any reader: copies the same columns as text into a table like the ledger, with its indexes and
# checks, and with its foreign keys if KEYS is set.
FLOOR = """
import pymysql
from odoo.addons.astpp_billing.models.ledger.usage_copy import CopyStream, in_chunks
env.cr.execute("DROP TABLE IF EXISTS bench_floor")
env.cr.execute("CREATE TABLE bench_floor (LIKE astpp_usage INCLUDING ALL)")
if KEYS:
    env.cr.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'astpp_usage'::regclass "
                   "AND contype = 'f'")
    for (definition,) in env.cr.fetchall():
        env.cr.execute(f"ALTER TABLE bench_floor ADD {definition}")
env.cr.execute("ALTER TABLE bench_floor ALTER id SET DEFAULT nextval('astpp_usage_id_seq')")
settings = server._settings()
connection = pymysql.connect(host=settings.host, port=settings.port, user=settings.user, password=settings.password,
                             database=settings.database, conv={}, cursorclass=pymysql.cursors.SSCursor)
cursor = connection.cursor()
[(account, partner, issuer)] = env.execute_query(__import__("odoo").tools.SQL(
    "SELECT id, partner_id, issuer_id FROM astpp_account WHERE server_id = %s LIMIT 1", server.id))
fixed = f"{server.id}\\t{server.company_id.id}\\t{server.currency_id.id}\\t{account}\\t{partner}\\t{issuer}\\tcdr\\tstandard\\t"
started = time.monotonic()
cursor.execute("SELECT uniqueid, callerid, callednum, billseconds, disposition, callstart, debit, debit, cost, pattern, "
               "notes, call_direction, CONCAT(uniqueid, accountid) FROM cdrs")
def rows():
    while batch := cursor.fetchmany(5000):
        for row in batch:
            yield fixed + "\\t".join(row) + "\\n"
env.cr.copy_expert("COPY bench_floor (server_id, company_id, currency_id, account_id, partner_id, issuer_id, source, "
    "charge_type, uniqueid, caller, callee, duration, disposition, date, rated_amount, amount, cost, pattern, "
    "destination, direction, source_key) FROM STDIN", CopyStream(in_chunks(rows())), 1 << 19)
env.cr.commit()
print("SECONDS", time.monotonic() - started)
"""
ORM = """
account = env["astpp.account"].search([("server_id", "=", server.id)], limit=1)
values = [{"account_id": account.id, "date": "2024-01-01 00:00:00", "charge_type": "standard", "direction": "outbound",
           "callee": f"4420{n}", "destination": "United Kingdom", "duration": 60, "amount": 0.1, "uniqueid": f"x{n}",
           "caller": "Jane Doe <1000>", "disposition": "NORMAL_CLEARING [16]", "pattern": "44"} for n in range(ROWS)]
started = time.monotonic()
for start in range(0, ROWS, 1000):
    env["astpp.usage"].create(values[start:start + 1000])
env.flush_all()
env.cr.commit()
print("SECONDS", time.monotonic() - started)
""".replace("ROWS", "20000")


def shell(script):
    return bench_database.shell(DATABASE, PREAMBLE + script)


def seconds(out):
    return float(out.split("SECONDS ")[1].split()[0])


def fresh_database(port, reader):
    restore(DATABASE, "astpp_addon")
    shell(f"""
env["astpp.server"].create({{"name": "Bench", "host": "127.0.0.1", "port": {port}, "user": {reader[0]!r},
                            "password": {reader[1]!r}, "sync_from": "2020-01-01"}})
env.cr.commit()
""")


def fill(mariadb, calls):
    mariadb.make_astpp()
    mariadb.execute(
        "INSERT INTO accounts (id, number, first_name, last_name, email, posttoexternal, sweep_id, invoice_day) "
        f"SELECT 99 + seq, CONCAT('N', seq), 'Jane', CONCAT('Doe ', seq), CONCAT('j', seq, '@example.com'), 1, 2, 1 "
        f"FROM seq_1_to_{ACCOUNTS}"
    )
    mariadb.execute(MAKE_CALLS.format(accounts=ACCOUNTS, calls=calls).replace("%%", "%"))


def measure(mariadb, calls, reader):
    """Return (seconds of the first sync, its peak memory in MB, its output)."""
    fill(mariadb, calls)
    fresh_database(mariadb.port, reader)
    out = shell(SYNC)
    return seconds(out), float(out.split("PEAK ")[1].split()[1]), out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    calls = parser.parse_args().calls
    # Odoo's import hook must know where addons are.
    import odoo.addons  # noqa: PLC0415

    odoo.addons.__path__.append(str(ROOT))
    from odoo.addons.astpp_billing.tests.mariadb import READER, MariaDb  # noqa: PLC0415

    start()
    mariadb = MariaDb().start()
    try:
        _seconds, small_peak, _out = measure(mariadb, calls // 10, READER)
        first, peak, out = measure(mariadb, calls, READER)
        second_out = shell(SYNC)
        second = seconds(second_out)
        bare = seconds(shell(FLOOR.replace("KEYS", "False")))
        floor = seconds(shell(FLOOR.replace("KEYS", "True")))
        orm = 20_000 / seconds(shell(ORM))
    finally:
        mariadb.remove()
        remove()
    steps = {line.split()[1]: float(line.split()[2]) for line in out.splitlines() if line.startswith("STEP")}
    rate, floor_rate = calls / first, calls / floor
    print(f"{time.strftime('%Y-%m-%d')}, {calls:,} calls of {ACCOUNTS:,} accounts, {os.cpu_count()} cores")
    print(f"floor: hand-written reader and COPY    {floor:8.1f} s  {floor_rate:9,.0f} rows/s")
    print(f"   without foreign keys                {bare:8.1f} s  {calls / bare:9,.0f} rows/s")
    print(
        f"first synchronisation, all of it       {first:8.1f} s  {rate:9,.0f} rows/s  {rate / floor_rate:.2f} of the floor"
    )
    print(
        f"   its calls alone                     {steps['cdr']:8.1f} s  {calls / steps['cdr']:9,.0f} rows/s  {floor / steps['cdr']:.2f} of the floor"
    )
    print(f"   steps: {steps}")
    print(f"second synchronisation, nothing new    {second:8.1f} s  {second / first:.1%} of the first")
    print(
        f"ORM create, 20,000 rows                            {orm:9,.0f} rows/s  first sync is {rate / orm:.1f} times that"
    )
    print(
        f"peak memory                            {peak:8.0f} MB  {peak - small_peak:+.0f} MB against a tenth of the calls"
    )


if __name__ == "__main__":
    main()
