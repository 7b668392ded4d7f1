from collections import Counter

from odoo.tests import tagged
from odoo.tools import SQL

from ..models.ledger.usage_copy import in_chunks, owned_lines
from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestUsageLoad(AstppCommon):
    """Two ways to load the ledger: looking up each row, or copying the rows of hours that it does not have."""

    def setUp(self):
        super().setUp()
        first = self.row(self.customer)
        other = self.row(self.reseller_customer, debit="3") | {"uniqueid": first["uniqueid"]}
        self.rows = [
            *(first, first, first | {"debit": "2"}, first | {"debit": "2"}, first | {"billseconds": "61"}, other),
            first | {"callstart": "2024-01-15 12:00:01"},
            *(self.row(self.customer, uniqueid=""), self.row(self.customer, uniqueid="", debit="4")),
            *(self.row(None) | {"accountid": "4711", "debit": debit, "uniqueid": "u"} for debit in ("1", "2")),
        ]

    def usage(self):
        return [
            (usage.source_key, usage.account_id.id, usage.amount, usage.exception, usage.second_exception)
            for usage in self.env["astpp.usage"].search([("server_id", "=", self.server.id)], order="source_key")
        ]

    def totals(self):
        return [
            (
                total.account_id.id,
                total.charge_type,
                total.state,
                total.exception,
                total.until,
                total.amount,
                total.lines,
            )
            for total in self.env["astpp.usage.total"].search([("server_id", "=", self.server.id)], order="id")
        ]

    def days(self):
        return [
            (
                day.day,
                day.source,
                day.account_id.id,
                day.held,
                day.lines,
                day.duration,
                day.amount,
                day.credit,
                day.cost,
            )
            for day in self.env["astpp.usage.day"].search(
                [("server_id", "=", self.server.id)], order="day, source, account_id, held"
            )
        ]

    def test_both_ways_give_the_same_exceptions(self):
        """Either way, twins are held as duplicates and other versions of a leg as changed; the first one is billed."""
        counts = self.load(*self.rows)
        loaded = self.usage()
        sums, days = self.totals(), self.days()
        self.env["astpp.usage"]._remove(SQL("u.server_id = %s", self.server.id), ("id",))
        self.assertFalse(any(total[-1] for total in self.totals()), "what is gone is in no total")
        self.assertFalse(any(any(day[4:]) for day in self.days()), "what is gone is in no day")
        records = ((0, self.record(row)) for row in self.rows)
        usage, copied = self.env["astpp.usage"], Counter()
        totals, ids = {}, usage._total_ids(self.server)
        lines = owned_lines(usage._owners(self.server), records, copied, ids, totals)
        self.assertTrue(usage._copy_owned(self.server, in_chunks(lines), totals))
        self.assertEqual(self.usage(), loaded)
        self.assertEqual(self.totals(), sums)
        self.assertEqual(self.days(), days)
        copied.pop(None)
        self.assertEqual(copied, counts["exceptions"])
        self.assertEqual(copied, {"duplicate": 2, "changed": 2, "unknown_account": 2})

    def test_loaded_again(self):
        self.load(*self.rows)
        before = self.usage()
        again = self.load(*reversed(self.rows))
        self.assertEqual((again["added"], again["known"]), (0, len(self.rows)))
        self.assertEqual(self.usage(), before)

    def test_order_of_two_items(self):
        """Two subscriptions of one order do not stop the calls of its package."""
        product = self.make_product("package", astpp_free_minutes=100)
        subscriptions = self.subscribe(self.customer, product) | self.subscribe(self.customer, product)
        subscriptions._astpp_own().astpp_order_id = 77
        self.load(self.row(self.customer, calltype="FREE", package_id="77"))
        usage = self.env["astpp.usage"].search([("account_id", "=", self.customer.id), ("charge_type", "=", "free")])
        self.assertIn(usage.subscription_id, subscriptions)
