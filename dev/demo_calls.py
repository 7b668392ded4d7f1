#!/usr/bin/env python3
"""Generate the demo's input: ASTPP accounts and a month of their calls, as CSV.

The random seed is fixed, so the same month always gives the same files.

    demo_calls.py FOLDER [--month 2026-10] [--calls 20000]
"""

import argparse
import csv
import random
import re
from datetime import date, datetime, timedelta
from decimal import ROUND_UP, Decimal
from pathlib import Path

SEED = 20260101
# prefix, destination, retail price per minute, from which wholesale and provider prices are derived
RATES = [
    ("1", "USA &amp; Canada", "0.0120"),
    ("44", "United Kingdom", "0.0180"),
    ("447", "United Kingdom Mobile", "0.0450"),
    ("49", "Germany", "0.0165"),
    ("4915", "Germany Mobile", "0.0420"),
    ("33", "France", "0.0170"),
    ("34", "España", "0.0195"),
    ("5511", "Brasil São Paulo", "0.0310"),
    ("91", "India", "0.0240"),
    ("971", "United Arab Emirates", "0.1850"),
    ("88216", "Thuraya Satellite", "1.9500"),
]
# id, number, type, reseller id, first name, last name, company, prepaid
OPERATOR_CUSTOMERS = [
    ("Ada", "Okafor", "Bluewater Logistics"),
    ("Bruno", "Keller", "Keller Maschinenbau GmbH"),
    ("Chiara", "Conti", "Conti Viaggi"),
    ("Dev", "Patel", "Patel &amp; Sons Trading"),
    ("Elif", "Aydın", "Aydın Tekstil"),
    ("François", "Lefèvre", "Lefèvre Traductions"),
    ("Grace", "Mensah", "Mensah Clinics"),
    ("Hugo", "Silva", "Silva Imports"),
]
RESELLERS = [("Nordic Voice AB", "Ingrid", "Lund"), ("Sunrise Telecom", "Arjun", "Rao")]
RESELLER_CUSTOMERS = [
    [("Lars", "Holm", "Holm Bygg"), ("Maja", "Berg", "Berg Foto"), ("Nils", "Dahl", "Dahl Marin"),
     ("Olga", "Ek", "Ek Redovisning"), ("Per", "Friberg", "Friberg Skog")],
    [("Priya", "Nair", "Nair Exports"), ("Rahul", "Gupta", "Gupta Steel"), ("Sana", "Khan", "Khan Design"),
     ("Tara", "Iyer", "Iyer Labs"), ("Usha", "Menon", "Menon Spices")],
]  # fmt: skip
CDR_COLUMNS = [
    "uniqueid",
    "accountid",
    "type",
    "sip_user",
    "callerid",
    "callednum",
    "translated_dst",
    "ct",
    "billseconds",
    "trunk_id",
    "trunkip",
    "callerip",
    "disposition",
    "callstart",
    "debit",
    "cost",
    "provider_id",
    "pricelist_id",
    "package_id",
    "pattern",
    "notes",
    "invoiceid",
    "rate_cost",
    "reseller_id",
    "reseller_code",
    "reseller_code_destination",
    "reseller_cost",
    "provider_code",
    "provider_code_destination",
    "provider_cost",
    "provider_call_cost",
    "call_direction",
    "calltype",
    "call_request",
    "country_id",
    "end_stamp",
]
RESELLER_CDR_COLUMNS = [
    "uniqueid",
    "accountid",
    "callerid",
    "callednum",
    "translated_dst",
    "billseconds",
    "disposition",
    "callstart",
    "debit",
    "cost",
    "pricelist_id",
    "package_id",
    "pattern",
    "notes",
    "calltype",
    "reseller_id",
    "rate_cost",
    "reseller_code",
    "reseller_code_destination",
    "reseller_cost",
    "call_direction",
    "call_request",
    "country_id",
    "end_stamp",
    "trunk_id",
]
FAILURES = ["USER_BUSY [17]", "NO_ANSWER [19]", "NO_SUFFICIENT_FUND [31]", "CALL_REJECTED [21]"]


def make_accounts(month_start):
    """Return the accounts as dicts: 2 resellers, 18 customers, 1 provider."""
    accounts = []

    def add(account_type, company, first, last, reseller_id=0, prepaid=False):
        account_id = 11 + len(accounts)
        accounts.append(
            {
                "id": account_id,
                "number": f"10000000{account_id}",
                "type": account_type,
                "reseller_id": reseller_id,
                "company": company.replace("&amp;", "&"),
                "first_name": first,
                "last_name": last,
                "email": f"{first}.{last}@{company.split()[0]}.example".lower(),
                "prepaid": prepaid,
                "billed_until": f"{month_start:%Y-%m-%d} 00:00:00",
            }
        )
        return account_id

    for position, (first, last, company) in enumerate(OPERATOR_CUSTOMERS):
        add("customer", company, first, last, prepaid=position == 7)
    for (company, first, last), customers in zip(RESELLERS, RESELLER_CUSTOMERS, strict=True):
        reseller = add("reseller", company, first, last)
        for first_name, last_name, name in customers:
            add("customer", name, first_name, last_name, reseller_id=reseller)
    add("provider", "Transit One", "Tom", "Reed")
    return accounts


class CallMaker:
    """Generates calls as ASTPP stores them: one row per charged party."""

    def __init__(self, accounts, month_start, month_end):
        self.random = random.Random(SEED)
        self.customers = [account for account in accounts if account["type"] == "customer"]
        self.provider = next(account for account in accounts if account["type"] == "provider")
        self.start = datetime.combine(month_start, datetime.min.time())
        self.seconds = int((datetime.combine(month_end, datetime.min.time()) - self.start).total_seconds())
        self.calls = []
        self.reseller_calls = []

    def make(self, count):
        kinds = ["STANDARD"] * 66 + ["failed"] * 12 + ["FREE"] * 8 + ["DID"] * 8 + ["LOCAL"] * 3
        kinds += ["CALLINGCARD", "FAX", "BROADCAST"]
        while len(self.calls) < count:
            customer = self.random.choices(self.customers, weights=range(len(self.customers) + 4, 4, -1))[0]
            getattr(self, f"_add_{self.random.choice(kinds).lower()}", self._add_standard)(customer)
        self.calls = self.calls[:count]
        self.calls.sort(key=lambda row: row["callstart"])
        self.reseller_calls.sort(key=lambda row: row["callstart"])

    def _row(self, customer, seconds, **values):
        start = self.start + timedelta(seconds=self.random.randrange(self.seconds))
        prefix, destination, rate = self.random.choices(RATES, weights=[20, 16, 9, 14, 7, 8, 6, 5, 10, 4, 1])[0]
        rest = "".join(str(self.random.randrange(10)) for _ in range(max(4, 11 - len(prefix))))
        row = {
            "uniqueid": self._uuid(),
            "accountid": customer["id"],
            "type": 0,
            "sip_user": customer["number"][-6:],
            "callerid": f"{customer['first_name']} {customer['last_name']} <{customer['number']}>",
            "callednum": prefix + rest,
            "ct": 0,
            "billseconds": seconds,
            "trunk_id": 1,
            "trunkip": "198.51.100.7",
            "callerip": "203.0.113.20",
            "disposition": "NORMAL_CLEARING [16]" if seconds else self.random.choice(FAILURES),
            "callstart": f"{start:%Y-%m-%d %H:%M:%S}",
            "provider_id": self.provider["id"],
            "pricelist_id": 1,
            "package_id": 0,
            "pattern": f"^{prefix}.*",
            "notes": destination,
            "invoiceid": 0,
            "rate_cost": rate,
            "reseller_id": customer["reseller_id"],
            "call_direction": "outbound",
            "calltype": "STANDARD",
            "call_request": 0,
            "country_id": 0,
            "end_stamp": f"{start + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}",
        }
        row.update(values)
        retail = Decimal(row["rate_cost"])
        row["debit"] = rated(retail, seconds)
        row["cost"] = rated(retail * Decimal("0.8"), seconds)
        row["provider_cost"] = retail * Decimal("0.6")
        row["provider_call_cost"] = rated(row["provider_cost"], seconds)
        self.calls.append(row)
        if row["reseller_id"]:
            self._add_reseller_row(row, retail, seconds)
        return row

    def _add_reseller_row(self, row, retail, seconds):
        wholesale = {column: row.get(column, "") for column in RESELLER_CDR_COLUMNS}
        wholesale.update(
            accountid=row["reseller_id"],
            reseller_id=0,
            rate_cost=retail * Decimal("0.8"),
            debit=row["cost"],
            cost=rated(retail * Decimal("0.6"), seconds),
            calltype="STANDARD" if row["calltype"] == "FREE" else row["calltype"],
        )
        # ASTPP never stores the resellers' side of inbound calls.
        if row["call_direction"] == "outbound" and row["calltype"] not in ("CALLINGCARD", "BROADCAST"):
            self.reseller_calls.append(wholesale)

    def _uuid(self):
        bits = f"{self.random.getrandbits(128):032x}"
        return "-".join((bits[:8], bits[8:12], bits[12:16], bits[16:20], bits[20:]))

    def _talk(self):
        return 1 + min(int(self.random.expovariate(1 / 190)), 5900)

    def _add_standard(self, customer):
        self._row(customer, self._talk())

    def _add_failed(self, customer):
        self._row(customer, 0)

    def _add_free(self, customer):
        self._row(customer, self._talk(), calltype="FREE", package_id=3)

    def _add_did(self, customer):
        row = self._row(
            customer, self._talk(), call_direction="inbound", calltype="DID", rate_cost="0.0050",
            notes="", pattern="", pricelist_id=0, callednum=f"3120555{customer['id']:04d}",
        )  # fmt: skip
        row["uniqueid"] += f"DID-LOCAL_{customer['id']}"
        row["cost"] = Decimal(0)

    def _add_local(self, customer):
        self._row(customer, self._talk(), calltype="LOCAL", rate_cost="0.0010", notes="", callednum="100200")

    def _add_callingcard(self, customer):
        self._row(customer, self._talk(), calltype="CALLINGCARD")

    def _add_fax(self, customer):
        self._row(customer, 20 + self._talk() // 4, calltype="FAX")

    def _add_broadcast(self, customer):
        self._row(customer, 15, calltype="BROADCAST")


def rated(rate_per_minute, seconds):
    """Rate a call as ASTPP does: by the started minute, to four decimals."""
    minutes = (Decimal(seconds) / 60).to_integral_value(ROUND_UP)
    return (Decimal(rate_per_minute) * minutes).quantize(Decimal("0.0001"))


def write(path, columns, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def spoil(path):
    """Add the flaws of a real export: two exact duplicates and a few broken lines."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines.insert(500, lines[400])
    lines.insert(9000, lines[8999])
    for position, broken in (
        (1200, "this line is not a call\n"),
        (4300, re.sub(r",20\d\d-\d\d-\d\d ", ",0000-00-00 ", lines[4300], count=1)),
        (7700, ",".join([*lines[7700].split(",")[:8], "two minutes", *lines[7700].split(",")[9:]])),
        (11000, ",".join([lines[11000].split(",")[0], "", *lines[11000].split(",")[2:]])),
        (15000, lines[15000].replace("NORMAL_CLEARING", '"NORMAL_CLEARING', 1)),
    ):
        lines.insert(position, broken)
    path.write_text("".join(lines), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--month", help="YYYY-MM; the last full month when left out")
    parser.add_argument("--calls", type=int, default=20000)
    options = parser.parse_args()
    if options.month:
        start = date.fromisoformat(f"{options.month}-01")
    else:
        start = (date.today().replace(day=1) - timedelta(days=1)).replace(day=1)
    end = (start + timedelta(days=32)).replace(day=1)
    options.folder.mkdir(parents=True, exist_ok=True)
    accounts = make_accounts(start)
    maker = CallMaker(accounts, start, end)
    maker.make(options.calls)
    write(options.folder / "accounts.csv", list(accounts[0]), accounts)
    write(options.folder / "cdrs.csv", CDR_COLUMNS, maker.calls)
    write(options.folder / "reseller_cdrs.csv", RESELLER_CDR_COLUMNS, maker.reseller_calls)
    spoil(options.folder / "cdrs.csv")


if __name__ == "__main__":
    main()
