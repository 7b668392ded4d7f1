"""Fill an ASTPP database with the demo's month and serve it until this process is stopped.

Prints the port of its MariaDB once the server is ready.
"""

import csv
import signal
import sys
from datetime import date, timedelta
from pathlib import Path

import odoo.addons

ROOT = Path(__file__).parents[1]
odoo.addons.__path__.append(str(ROOT))

from odoo.addons.astpp_billing.tests.mariadb import MariaDb  # noqa: E402

TYPES = {"customer": 0, "reseller": 1, "provider": 3}


def account_row(row):
    return {
        "id": row["id"],
        "number": row["number"],
        "type": TYPES[row["type"]],
        "reseller_id": row["reseller_id"],
        "company_name": row["company"],
        "first_name": row["first_name"],
        "last_name": row["last_name"],
        "email": row["email"],
        "posttoexternal": 0 if row["prepaid"] == "True" else 1,
        "sweep_id": 2,
        "invoice_day": 1,
        "timezone_id": 49,
        "currency_id": 1,
        "country_id": 203,
        "status": 0,
        "creation": row["billed_until"],
    }


def call_rows(path):
    """Yield the file's lines as ASTPP stores calls; broken lines are skipped, as ASTPP never stored them."""
    with path.open(encoding="utf-8") as file:
        header = next(file).strip().split(",")
        for line in file:
            values = next(csv.reader([line])) if line.count('"') % 2 == 0 else []
            row = dict(zip(header, values, strict=False))
            if (
                len(values) == len(header)
                and row["accountid"]
                and row["billseconds"].isdigit()
                and row["callstart"] > "2"
            ):
                yield {name: value or 0 if name.endswith("_cost") else value for name, value in row.items()}


def insert_invoices(server, accounts):
    """Have ASTPP's own cron invoiced the month before; every third customer has not paid, every ninth a part."""
    month = accounts[0]["billed_until"][:7]
    first = f"{date.fromisoformat(f'{month}-01') - timedelta(days=1)}"[:7]
    customers = [row for row in accounts if row["prepaid"] != "True" and row["type"] == "customer"]
    for number, row in enumerate(customers, 1):
        server.insert(
            "invoices",
            {"id": number, "prefix": "INV_", "number": f"{number:06d}", "accountid": row["id"], "confirm": 1,
             "reseller_id": row["reseller_id"], "from_date": f"{first}-01 00:00:01",
             "to_date": f"{date.fromisoformat(f'{month}-01') - timedelta(days=1)} 23:59:59",
             "generate_date": f"{month}-01 00:00:01", "due_date": f"{month}-08 23:59:59"},
        )  # fmt: skip
        amount = 20 + number % 40
        lines = [
            ("STANDARD", amount, 0),
            ("INVPAY", 0, amount if number % 3 else amount // 2 if number % 9 == 0 else 0),
        ]
        server.insert(
            "invoice_details",
            *({"accountid": row["id"], "invoiceid": number, "charge_type": kind, "debit": debit, "credit": credit,
               "created_date": f"{month}-01 00:00:01"} for kind, debit, credit in lines if debit or credit),
        )  # fmt: skip
    server.execute("UPDATE accounts SET balance = 5 + id % 20 WHERE posttoexternal = 0 AND type = 0")


def main(folder):
    server = MariaDb().start()
    try:
        server.make_astpp()
        server.execute("UPDATE cron_settings SET status = 1")
        with (folder / "accounts.csv").open(encoding="utf-8") as file:
            accounts = list(csv.DictReader(file))
        server.insert("accounts", *map(account_row, accounts))
        insert_invoices(server, accounts)
        server.insert("cdrs", *call_rows(folder / "cdrs.csv"))
        server.insert("reseller_cdrs", *call_rows(folder / "reseller_cdrs.csv"))
        print(server.port, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    finally:
        server.remove()


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
main(Path(sys.argv[1]))
