import ast
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from odoo.tests import BaseCase, TransactionCase, tagged

from ..connector import changes
from ..connector.balance import Balance, BalanceChange
from ..connector.changes import (
    AccountIs,
    AccountSwitches,
    InvoicingOff,
    MinutesReset,
    NumberOwner,
    NumberReseller,
    NumberSwitch,
    NumberTaken,
    OrderEnd,
    OrderPeriod,
    OrderState,
    OrderTerms,
)
from ..connector.row_change import RowChange
from ..connector.write_rights import needed
from .sync_common import SyncCommon
from .test_outbox_rows import GRANTS, WRITER

ADDON = Path(__file__).parents[1]
ACCOUNT = {"table": "accounts", "match": {"id": 13, "number": "C13"}}
FORWARDING = {
    **{"extensions": "", "always": 0, "always_destination": "", "user_busy": 0, "user_busy_destination": ""},
    **{"user_not_registered": 0, "user_not_registered_destination": "", "no_answer": 0, "no_answer_destination": ""},
    "failover_extensions": "",
}
TERMS = {"quantity": 2, "price": "40.00000", "product_id": 3, "free_minutes": 60}
# How changes were stored in the queue before they had classes, and the changes that they are.
STORED = [
    (
        {"table": "order_items", "match": {"id": 90}, "values": TERMS},
        OrderTerms(item_id=90, quantity=2, price=Decimal(40), product_id=3, free_minutes=60),
    ),
    (
        {"table": "order_items", "match": {"id": 90}, "values": {"quantity": 1, "price": "2.50000"}},
        OrderTerms(item_id=90, quantity=1, price=Decimal("2.5")),
    ),
    (
        {
            "table": "order_items",
            "match": {"id": 90},
            "values": {"billing_date": "2024-03-31 00:00:01", "next_billing_date": "2024-04-29 23:59:59", **TERMS},
        },
        OrderPeriod(
            item_id=90, quantity=2, price=Decimal(40), product_id=3, free_minutes=60, first=date(2024, 3, 31),
            last=date(2024, 4, 29),
        ),
    ),
    (
        {
            "table": "order_items",
            "match": {"id": 90},
            "values": {
                "is_terminated": 1, "termination_date": "2024-04-10 10:00:00", "termination_note": "On request",
            },
        },
        OrderEnd(item_id=90, moment=datetime(2024, 4, 10, 10), note="On request"),
    ),
    (
        {"table": "counters", "match": {"accountid": 13, "package_id": 40}, "values": {"used_seconds": 0}},
        MinutesReset(account_id=13, order_id=40),
    ),
    (
        {"table": "dids", "match": {"id": 1}, "values": {"accountid": 13}, "expected": {"accountid": [0, 13]}},
        NumberOwner(did_id=1, account_id=13, holders=(0, 13)),
    ),
    (
        {"table": "dids", "match": {"id": 1}, "values": {"parent_id": 0}, "expected": {"parent_id": [0, 7, 5]}},
        NumberReseller(did_id=1, account_id=0, holders=(0, 7, 5)),
    ),
    (
        {
            "table": "dids",
            "match": {"id": 1},
            "values": {"accountid": 0, **FORWARDING},
            "expected": {"accountid": [0, 13]},
        },
        NumberTaken(did_id=1, holders=(0, 13)),
    ),
    (
        ACCOUNT | {"values": {"status": 1, "credit_limit": "250.00000"}},
        AccountSwitches(account_id=13, number="C13", active=False, credit_limit=Decimal(250)),
    ),
    (ACCOUNT | {"values": {"status": 0}}, AccountSwitches(account_id=13, number="C13", active=True)),
    (ACCOUNT | {"values": {}, "only": {"status": 0}}, AccountIs(account_id=13, number="C13", active=True)),
    (
        {"table": "dids", "match": {"id": 1}, "values": {"status": 0}, "only": {"accountid": 13, "status": 1}},
        NumberSwitch(did_id=1, owner_id=13, on=True),
    ),
    (ACCOUNT | {"values": {"generate_invoice": 1}}, InvoicingOff(account_id=13, number="C13")),
    # From before the account's number was checked.
    (
        {"table": "accounts", "match": {"id": 13}, "values": {"credit_limit": "7.00000"}},
        AccountSwitches(account_id=13, number=None, credit_limit=Decimal(7)),
    ),
]  # fmt: skip


@tagged("post_install", "-at_install")
class TestChanges(BaseCase):
    """A change has the same meaning in Odoo, in the queue and as written to ASTPP."""

    def test_stored_and_read_back(self):
        for stored, change in STORED:
            with self.subTest(change=change):
                self.assertEqual(change.stored(), stored)
                self.assertEqual(changes.read(stored), change)
        self.assertEqual({type(change) for _stored, change in STORED}, set(changes.CHANGES))

    def test_invalid_changes_are_refused(self):
        with self.assertRaises(KeyError):
            changes.read({"table": "accounts", "worth": 5})
        for values in ({"password": "x"}, {"status": 1, "balance": 5}, {"status": 1, "generate_invoice": 1}):
            with self.subTest(values=values), self.assertRaisesRegex(ValueError, "in the table accounts"):
                changes.read(ACCOUNT | {"values": values})

    def test_writable_columns(self):
        """Changes may write exactly these columns."""
        self.assertEqual(changes.WRITABLE["accounts"], ("balance", "status", "credit_limit", "generate_invoice"))
        self.assertEqual(changes.WRITABLE["counters"], ("used_seconds",))
        self.assertEqual(changes.WRITABLE["dids"], ("accountid", "parent_id", *FORWARDING, "status"))
        self.assertEqual(changes.writable("invoicing"), {"accounts": ("generate_invoice",)})
        self.assertNotIn("status", changes.writable("did")["dids"], "that is the accounts' to switch")
        for stored, change in STORED:
            self.assertLessEqual(stored["values"].keys(), set(changes.writable(change.kind).get(change.table, ())))

    def test_row_must_match_to_be_written(self):
        switch = NumberSwitch(did_id=1, owner_id=13, on=False).row()
        self.assertTrue(switch.is_meant({"accountid": "13", "status": "0"}))
        for found in ({"accountid": "12", "status": "0"}, {"accountid": "13", "status": "1"}, {}):
            self.assertFalse(switch.is_meant(found))
        self.assertTrue(switch.is_made({"accountid": "13", "status": "1"}))
        self.assertTrue(switch.may_be_missing)
        self.assertFalse(NumberTaken(did_id=1, holders=()).row().may_be_missing)
        self.assertEqual(MinutesReset(account_id=13, order_id=40).row().place, ("counters", 40))

    def test_shown(self):
        end = OrderEnd(item_id=90, moment=datetime(2024, 4, 10), note="x" * 300)
        before = {"is_terminated": "0", "termination_date": "0000-00-00 00:00:00"}
        self.assertEqual(
            changes.shown([end.stored()], [before]).splitlines()[:2],
            ["is_terminated: 0 → 1", "termination_date: 0000-00-00 00:00:00 → 2024-04-10 00:00:00"],
        )
        self.assertTrue(changes.shown([end.stored()], [before]).endswith("\ntermination_note: – → " + "x" * 255))
        self.assertEqual(changes.shown([InvoicingOff(account_id=1, number="1").stored()], []), "generate_invoice: 1")

    def test_differences(self):
        """Columns that were not read are not compared."""
        wanted = OrderState(item_id=90, last=date(2024, 4, 29), ended=False).row()
        self.assertEqual(wanted.differences({"next_billing_date": "2024-04-29 23:59:59", "is_terminated": "0"}), [])
        [different] = wanted.differences({"is_terminated": "1"})
        self.assertEqual((different.column, different.before, different.after), ("is_terminated", "1", "0"))

    def test_differences_of_account_switches(self):
        before = AccountSwitches(account_id=13, number="C13", active=True, credit_limit=Decimal(5))
        after = AccountSwitches(account_id=13, number="C13", active=False, credit_limit=Decimal("5.00000"))
        self.assertEqual(after.since(before).row().values, {"status": 1})
        self.assertIsNone(before.since(before))

    def test_balances(self):
        """A postpaid balance is a debt, which payments lower."""
        prepaid, postpaid = Balance(Decimal(20), False), Balance(Decimal(100), True, Decimal(500))
        self.assertEqual((prepaid.plus(Decimal(50)).amount, prepaid.plus(Decimal(50)).funds), (70, 70))
        self.assertEqual((postpaid.plus(Decimal(-30)).amount, postpaid.plus(Decimal(-30)).funds), (130, 370))
        values = {"key": "1", "account_id": 13, "number": "C13", "description": "", "currency": "EUR"}
        types = [
            BalanceChange(**values, cause=cause, amount=Decimal(amount)).charge_type
            for cause, amount in (("topup", 5), ("topup-back", -5), ("coupon", 5), ("payment", -5), ("usage", -5))
        ]
        self.assertEqual(types, ["REFILL", "POSTCHARGE", "Voucher", "INVPAY", "POSTCHARGE"])
        self.assertEqual(BalanceChange(**values, cause="usage", amount=Decimal(5)).charge_type, "REFILL")

    def test_privileges_in_the_guide(self):
        """The documents are in the repository, but not in the addon."""
        guide = ADDON.parent / "docs" / "operator.md"
        if not guide.exists():
            self.skipTest("no guide")
        [block] = re.findall(
            r"```sql\n(GRANT INSERT ON astpp\.payment_transaction.*?)```", guide.read_text(), re.DOTALL
        )
        everybody, *sections = re.split(r"^(?=-- )", block, flags=re.MULTILINE)
        self.assertEqual(self.grants(everybody), ({"payment_transaction"}, {}))
        kinds = {
            "balances, and coupons that are redeemed in Odoo": changes.BALANCE_KINDS,
            "orders": ["order"],
            "numbers": ["did"],
            "accounts with their numbers, and who invoices them": ["account", "invoicing"],
        }
        self.assertEqual({kind for together in kinds.values() for kind in together}, set(changes.KINDS))
        for section in sections:
            title, _line, grants = section.removeprefix("-- ").partition("\n")
            inserts, updates = needed(kinds.pop(title))
            sets = {table: set(columns) for table, columns in updates.items()}
            self.assertEqual(self.grants(grants), (inserts - {"payment_transaction"}, sets))
        self.assertFalse(kinds)

    def grants(self, text):
        """Return (tables with INSERT, {table: columns with UPDATE}) of GRANT statements."""
        grant = r"GRANT (?:INSERT|UPDATE \(([^)]*)\))\s+ON astpp\.(\w+) TO 'odoo'@'10\.0\.0\.5';"
        found = re.findall(grant, text)
        self.assertEqual(len(found), text.count("GRANT"))
        inserts = {table for columns, table in found if not columns}
        return inserts, {table: set(re.split(r",\s*", columns)) for columns, table in found if columns}


@tagged("post_install", "-at_install")
class TestChangesAlone(TransactionCase):
    def test_models_name_no_column_of_astpp(self):
        """Only the connector knows where and how values are stored in ASTPP."""
        ours = {name for model in self.env.values() for name in model._fields}
        rows = [change.row() for _stored, change in STORED]
        columns = {column for row in rows for part in row[1:] for column in part} | {"posttoexternal"}
        unmistakable = columns - ours
        self.assertLessEqual(
            {"accountid", "generate_invoice", "is_terminated", "next_billing_date", "used_seconds"}, unmistakable
        )
        unmistakable |= {"order_items", "counters", RowChange.__name__}
        for path in [*ADDON.glob("models/**/*.py"), *ADDON.glob("wizards/*.py")]:
            named = set()
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    # Attributes are those of the connector's records.
                    case ast.Constant(value=str() as name) | ast.keyword(arg=name) | ast.alias(name=name):
                        named.add(name)
            # Callers of the API use ASTPP's names for the columns of calls.
            allowed = {"accountid"} if path.name == "astpp_usage_ingest.py" else set()
            self.assertFalse(named & unmistakable - allowed, path)


@tagged("post_install", "-at_install")
class TestChangesOfBefore(SyncCommon):
    """Changes queued before they had classes are still written as they were meant."""

    def test_old_queued_changes_are_written(self):
        self.mariadb.make_user(*WRITER, *GRANTS)
        self.order_package()
        self.mariadb.insert(
            "counters", {"id": 1, "accountid": 13, "package_id": 40, "product_id": 3, "used_seconds": 900}
        )
        self.mariadb.insert("dids", {"id": 1, "number": "442030001", "product_id": 11, "extensions": "100"})
        switches = dict.fromkeys(("write_order", "write_did", "write_account", "write_invoicing"), True)
        self.sync()
        self.server.write({"user": WRITER[0], "password": WRITER[1], **switches})
        outbox = self.env["astpp.outbox"].sudo()
        self.mariadb.execute("UPDATE accounts SET generate_invoice = 0 WHERE id = 13")
        outbox.search([]).unlink()
        values = {"server_id": self.server.id, "account_id": self.account(13).id}
        entries = outbox.create(
            [
                values | {"kind": change.kind, "key": f"before/{number}", "rows": [stored]}
                for number, (stored, change) in enumerate(STORED)
            ]
        )
        for entry in entries:
            self.assertTrue(entry._apply(), entry.message)
        [item] = self.mariadb.execute(
            "SELECT quantity, price, product_id, free_minutes, billing_date, is_terminated, termination_note "
            "FROM order_items WHERE id = 90"
        )
        self.assertEqual(tuple(map(str, item)), ("2", "40.00000", "3", "60", "2024-03-31 00:00:01", "1", "On request"))
        self.assertEqual(self.mariadb.execute("SELECT used_seconds FROM counters"), ((0,),))
        [did] = self.mariadb.execute("SELECT accountid, parent_id, extensions, status FROM dids")
        self.assertEqual(tuple(map(str, did)), ("0", "0", "", "0"))
        [account] = self.mariadb.execute("SELECT status, credit_limit, generate_invoice FROM accounts WHERE id = 13")
        self.assertEqual(tuple(map(str, account)), ("0", "7.00000", "1"))
