"""Synchronise ASTPP's tables other than calls, the first time and when nothing is new, with the version before.

dev/bench tables [--orders 50000] [--charges 200000] [--payments 500000] [--before COMMIT]
"""

import argparse
import time

from bench_database import ROOT, figure, remove, restore, shell, start, version_before
from bench_sync import ACCOUNTS, PREAMBLE, SYNC, fill

ORDERS = """
INSERT INTO products (id, name, product_category, price, billing_type, billing_days, free_minutes, applicable_for, status)
VALUES (3, 'Talk', 1, 20, 1, 30, 500, 2, 0);
INSERT INTO orders (id, order_id, accountid, payment_status, order_date)
SELECT seq, CONCAT('o', seq), 100 + seq %% {accounts}, 'PAID', UTC_TIMESTAMP() FROM seq_1_to_{orders};
INSERT INTO order_items (id, order_id, product_category, product_id, quantity, price, billing_type, billing_days,
                         free_minutes, accountid, billing_date, next_billing_date, termination_date)
SELECT seq, seq, 1, 3, 1, 20, 1, 30, 500, 100 + seq %% {accounts}, UTC_DATE(), UTC_DATE() + INTERVAL 29 DAY,
       '0000-00-00 00:00:00' FROM seq_1_to_{orders};
INSERT INTO invoice_details (accountid, order_item_id, charge_type, product_category, debit, created_date, description)
SELECT 100 + seq %% {accounts}, 1 + seq %% {orders}, 'PACKAGE', 1, 20, UTC_TIMESTAMP() - INTERVAL seq SECOND, 'Talk'
  FROM seq_1_to_{charges};
INSERT INTO payment_transaction (accountid, amount, tax, payment_method, actual_amount, transaction_id, date)
SELECT 100 + seq %% {accounts}, 20, '0', 'Paypal', 20, CONCAT('T', seq), UTC_TIMESTAMP() - INTERVAL seq SECOND
  FROM seq_1_to_{payments};
"""
SERVER = """
from datetime import datetime, timedelta
env["astpp.server"].create({{"name": "Bench", "host": "127.0.0.1", "port": {port}, "user": {user!r},
                            "password": {password!r}, "sync_from": datetime.now() - timedelta(days=35)}})
env.cr.commit()
"""


def measure(database, port, reader, addons=()):
    """Return (seconds of the first, its steps, seconds of the second, megabytes by which it grew, its steps)."""
    shell(database, SERVER.format(port=port, user=reader[0], password=reader[1]), addons)
    first = shell(database, PREAMBLE + SYNC, addons)
    out = shell(database, PREAMBLE + SYNC, addons)
    base, peak = map(float, out.split("PEAK ")[1].split()[:2])
    return figure(first, "SECONDS"), steps_of(first), figure(out, "SECONDS"), peak - base, steps_of(out)


def steps_of(out):
    steps = (line.split() for line in out.splitlines() if line.startswith("STEP"))
    return {name: float(seconds) for _step, name, seconds, *_rest in steps if float(seconds) >= 0.1}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=50_000)
    parser.add_argument("--charges", type=int, default=200_000)
    parser.add_argument("--payments", type=int, default=500_000)
    parser.add_argument("--before", help="commit whose version is measured as well")
    arguments = parser.parse_args()
    # Odoo's import hook must know where addons are.
    import odoo.addons  # noqa: PLC0415

    odoo.addons.__path__.append(str(ROOT))
    from odoo.addons.astpp_billing.tests.mariadb import READER, MariaDb  # noqa: PLC0415

    start()
    mariadb = MariaDb().start()
    try:
        fill(mariadb, 1000)
        counts = {"accounts": ACCOUNTS, "orders": arguments.orders, "charges": arguments.charges,
                  "payments": arguments.payments}  # fmt: skip
        for statement in filter(str.strip, ORDERS.format(**counts).replace("%%", "%").split(";")):
            mariadb.execute(statement)
        measured = {}
        if arguments.before:
            addons = version_before(arguments.before, "bench_before")
            measured["before"] = measure("bench_before", mariadb.port, READER, addons)
        restore("bench_now", "astpp_addon")
        measured["now"] = measure("bench_now", mariadb.port, READER)
    finally:
        mariadb.remove()
        remove()
    print(f"{time.strftime('%Y-%m-%d')}, {counts}")
    for name, (first, first_steps, second, growth, steps) in measured.items():
        print(f"{name}: first {first:.1f} s {first_steps}; nothing new {second:.1f} s, {growth:+.0f} MB {steps}")
    if arguments.before:
        before, now = measured["before"], measured["now"]
        print(f"now / before: first {now[0] / before[0]:.2f}, nothing new {now[2] / before[2]:.2f}")


if __name__ == "__main__":
    main()
