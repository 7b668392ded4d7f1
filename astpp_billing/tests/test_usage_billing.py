from datetime import datetime
from decimal import Decimal

from odoo.tests import tagged
from odoo.tools import SQL

from ..models.ledger import usage_state
from ..models.ledger.astpp_usage_entries import UsageEntry
from .common import AstppCommon

FEBRUARY = datetime(2024, 2, 1)


@tagged("post_install", "-at_install")
class TestUsageBilling(AstppCommon):
    """The ledger's methods: entries are added once, and exactly what was summed is billed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.usage = cls.env["astpp.usage"].sudo()

    def entry(self, key, account=None, **values):
        return UsageEntry(
            "charge", key, self.server.id, account and account.id, "2024-01-10", "charge", 5, key
        )._replace(**values)

    def sums(self, **values):
        groups = self.usage._sum_unbilled(
            "account_id", {self.customer.id: (None, FEBRUARY)}, by=("charge_type", "direction", "product_id"), **values
        )
        return sorted(groups, key=lambda group: group["charge_type"])

    def document(self, lines):
        return self.env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": self.customer.partner_id.id,
                "invoice_line_ids": [(0, 0, {"name": str(line), "price_unit": 1}) for line in range(lines)],
            }
        )

    def test_states_mean_the_same_as_sql_and_domain(self):
        self.usage._add(
            [
                self.entry("1", self.customer),
                self.entry("2", self.customer, prepaid=True),
                self.entry("3", self.customer, exception="gone"),
                self.entry("4", self.customer, exception="gone", prepaid=True),
                self.entry("5", account_ref="#99"),
                self.entry("6", self.customer, charge_type="setup"),
                self.entry("7", self.customer, charge_type="setup", prepaid=True),
            ]
        )
        line = self.document(1).invoice_line_ids
        for prepaid in (False, True):
            where = SQL("t.charge_type = 'setup'")
            self.usage._bill([(group, line) for group in self.sums(where=where, prepaid=prepaid)])
        own = SQL("server_id = %s", self.server.id)
        found = {}
        for name, state in vars(usage_state).items():
            if not isinstance(state, usage_state.UsageState):
                continue
            with self.subTest(name):
                rows = self.env.execute_query(SQL("SELECT source_key FROM astpp_usage WHERE %s AND %s", own, state.sql))
                keys = self.usage.search([*state.domain, ("server_id", "=", self.server.id)]).mapped("source_key")
                found[name] = "".join(sorted(keys))
                self.assertEqual("".join(sorted(key for (key,) in rows)), found[name])
        self.assertEqual(
            found,
            {
                **{"BILLED": "67", "NOT_BILLED": "12345", "HELD": "345", "NOT_HELD": "1267"},
                **{"PREPAID": "247", "POSTPAID": "1356", "HERE": "1234567"},
                **{"WAITING": "12", "UNBILLED": "1", "UNRECOGNISED": "2"},
            },
        )

    def test_entry_is_added_once(self):
        entry = self.entry("1", self.customer)
        self.assertEqual(self.usage._add([entry, self.entry("1", self.reseller), self.entry("2", self.customer)]),
                         [entry, self.entry("2", self.customer)])  # fmt: skip
        self.assertEqual(self.usage._add([entry]), [])
        self.assertEqual(self.usage._add([]), [])
        line = self.usage.search([("source_key", "=", "1"), ("account_id", "=", self.customer.id)])
        self.assertEqual(
            (line.partner_id, line.issuer_id, line.company_id, line.currency_id, line.prepaid, line.amount),
            (self.customer.partner_id, self.operator, self.env.company, self.server.currency_id, False, 5),
        )

    def test_entry_of_an_unknown_account_waits_for_it(self):
        """Once the account is known, the entry is held only for its other exception, if it has one."""
        self.usage._add(
            [self.entry("1", account_ref="#4711", exception="astpp_invoiced"), self.entry("2", account_ref="#4711")]
        )
        lines = self.usage.search([("account_ref", "=", "#4711")], order="source_key")
        self.assertEqual(lines.mapped("exception"), ["unknown_account"] * 2)
        account = self.make_account("Late", astpp_id=4711, payment_mode="prepaid")
        self.assertEqual(lines.mapped("exception"), ["astpp_invoiced", False])
        self.assertEqual((lines.account_id, lines.partner_id), (account, account.partner_id))
        self.assertEqual(lines.mapped("prepaid"), [True, True])

    def test_group_is_billed_by_its_line(self):
        self.load_calls(self.customer, "1.5", "2")
        self.usage._add([self.entry("1", self.customer), self.entry("2", self.customer, date="2024-02-01")])
        groups = self.sums()
        self.assertEqual([(group["lines"], group["amount"]) for group in groups], [(1, 5), (2, Decimal("3.5"))])
        move = self.document(2)
        self.usage._bill(zip(groups, move.invoice_line_ids, strict=True))
        billed = self.usage._billed_sums(move, "charge_type")
        self.assertEqual(
            {row["move_line_id"]: (row["charge_type"], row["calls"], row["amount"]) for row in billed},
            dict(zip(move.invoice_line_ids.ids, [("charge", 1, 5), ("standard", 2, Decimal("3.5"))], strict=True)),
        )
        self.assertFalse(self.sums())
        self.usage._free(move.invoice_line_ids[0])
        self.assertEqual([group["charge_type"] for group in self.sums()], ["charge"])

    def test_links_must_match_what_was_summed(self):
        self.usage._add([self.entry("1", self.customer)])
        [group] = self.sums()
        line = self.document(1).invoice_line_ids
        for message, change in (
            ("2 usage lines linked, 1 summed", lambda: self.usage._add([self.entry("2", self.customer)])),
            (
                "0 usage lines linked, 1 summed",
                lambda: self.usage._hold("gone", SQL("u.account_id = %s", self.customer.id)),
            ),
            ("0 usage lines linked, 1 summed", lambda: self.usage._bill([(group, line)])),
        ):
            with self.subTest(message), self.assertRaisesRegex(AssertionError, message), self.env.cr.savepoint():
                change()
                self.usage._bill([(group, line)])

    def test_released_usage_can_be_held_or_billed(self):
        self.usage._add([self.entry("1", self.customer)])
        where = SQL("u.account_id = %s", self.customer.id)
        self.assertEqual((self.usage._hold("gone", where), self.usage._hold("gone", where)), (1, 0))
        self.assertFalse(self.sums())
        self.usage.search([("source_key", "=", "1"), ("server_id", "=", self.server.id)]).action_release()
        [group] = self.sums()
        self.usage._bill([(group, self.document(1).invoice_line_ids)])
        self.assertEqual(self.usage._hold("gone", where), 0)
