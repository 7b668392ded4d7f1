"""Renewals and reminders of many orders, with the version before in the same run.

dev/bench renewals [--orders 10000] [--before COMMIT]
"""

import argparse

from bench_database import copy, figure, remove, restore, shell, start, version_before

SET_UP = """
server = env.ref("astpp_billing.astpp_server_main")
people = env["res.partner"].create([
    {"name": f"Customer {n}", "email": f"customer{n}@example.com"} for n in range(%(orders)s)
])
accounts = env["astpp.account"].create([
    {"server_id": server.id, "number": f"P{n:05d}", "partner_id": partner.id, "tz": "Europe/Berlin"}
    for n, partner in enumerate(people)
])
product = env["product.product"].create({
    "name": "Line", "type": "service", "astpp_type": "subscription", "list_price": 10, "astpp_recurring": True,
    "astpp_period_unit": "month", "astpp_period_count": 1,
})
orders = env["astpp.subscription"].create([
    {"account_id": account.id, "product_id": product.id} for account in accounts
])
orders.action_start()
env["mail.mail"].search([]).unlink()
env.cr.commit()
env.cr._cnx.autocommit = True
env.cr.execute("VACUUM ANALYZE")
"""
# The periods of all orders end today, or in two days.
MOVE = """
today = "date_trunc('day', now() AT TIME ZONE 'Europe/Berlin')"
utc = "AT TIME ZONE 'Europe/Berlin' AT TIME ZONE 'UTC'"
env.cr.execute(f'''
    UPDATE astpp_subscription
       SET next_date = ({today} + %(days)s * interval '1 day') {utc},
           start_date = ({today} + %(days)s * interval '1 day' - interval '1 month') {utc},
           anchor_day = extract(day FROM {today} + %(days)s * interval '1 day')
''')
env["astpp.issuer"].search([]).write(%(notices)s)
env.cr.execute("DELETE FROM astpp_notice; DELETE FROM astpp_outbox; DELETE FROM astpp_allowance")
env.cr.execute("TRUNCATE astpp_usage, astpp_usage_total CASCADE")
env.cr.commit()
env.invalidate_all()
"""
RUN = """
import resource, time
def run():
    started, most = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    queries = env.cr.sql_log_count
    %(run)s
    env.cr.commit()
    print("SECONDS", time.monotonic() - started)
    print("GROWTH", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most) / 1024)
    print("QUERIES", env.cr.sql_log_count - queries)
run()
env.cr.execute("SELECT count(*) FROM astpp_usage WHERE source = 'subscription'")
print("CHARGES", env.cr.fetchone()[0])
env.cr.execute("SELECT count(*) FROM astpp_notice WHERE state = 'queued'")
print("MAILS", env.cr.fetchone()[0])
"""
CASES = {
    "renewals": (0, "{'notify_renewed': False}", "env['astpp.subscription']._cron_renew()"),
    "renewals with mail": (0, "{'notify_renewed': True}", "env['astpp.subscription']._cron_renew()"),
    "reminders": (2, "{'notify_reminder': True, 'notice_days': 3}", "env['astpp.notice']._cron_remind()"),
}


def filled(script, **values):
    for name, value in values.items():
        script = script.replace(f"%({name})s", str(value))
    return script


def measure(database, orders, addons=()):
    """Return {case: (milliseconds an order, queries an order, megabytes by which the process grew)}."""
    shell(database, filled(SET_UP, orders=orders), addons)
    measured = {}
    for name, (days, notices, run) in CASES.items():
        copy(f"{database}_run", database)
        out = shell(f"{database}_run", filled(MOVE, days=days, notices=notices) + filled(RUN, run=run), addons)
        done = figure(out, "CHARGES" if name == "renewals" else "MAILS")
        assert done == orders, (name, out)
        each = 1000 * figure(out, "SECONDS") / orders
        measured[name] = each, figure(out, "QUERIES") / orders, figure(out, "GROWTH")
    return measured


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--before", help="commit whose version is measured as well")
    arguments = parser.parse_args()
    start()
    try:
        versions = {}
        if arguments.before:
            addons = version_before(arguments.before, "bench_before")
            versions["before"] = measure("bench_before", arguments.orders, addons)
        restore("bench_now", "astpp_addon")
        versions["now"] = measure("bench_now", arguments.orders)
        for name in CASES:
            for version, measured in versions.items():
                each, queries, growth = measured[name]
                print(f"{name}, {version}: {each:.1f} ms each, {queries:.1f} queries, {growth:.0f} MB more")
            if arguments.before:
                print(f"  now / before: {versions['now'][name][0] / versions['before'][name][0]:.2f}")
    finally:
        remove()


if __name__ == "__main__":
    main()
