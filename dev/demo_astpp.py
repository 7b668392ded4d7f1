"""Fill an ASTPP database with the demo's month and serve it until this process is stopped.

Prints the port of its MariaDB once the server is ready.
"""

import csv
import signal
import sys
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


def main(folder):
    server = MariaDb().start()
    try:
        server.make_astpp()
        server.execute("UPDATE cron_settings SET status = 1")
        with (folder / "accounts.csv").open(encoding="utf-8") as file:
            server.insert("accounts", *(account_row(row) for row in csv.DictReader(file)))
        server.insert("cdrs", *call_rows(folder / "cdrs.csv"))
        server.insert("reseller_cdrs", *call_rows(folder / "reseller_cdrs.csv"))
        print(server.port, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    finally:
        server.remove()


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
main(Path(sys.argv[1]))
