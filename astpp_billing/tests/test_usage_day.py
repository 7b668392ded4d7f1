import random
from datetime import date, datetime, timedelta

from odoo.fields import Domain
from odoo.tests import BaseCase, tagged

from ..models.ledger.astpp_usage_days import whole_days
from ..models.ledger.usage_state import BILLED, NOT_HELD, UNBILLED
from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestWholeDays(BaseCase):
    def test_spans(self):
        midnight, next_midnight = datetime(2024, 1, 2), datetime(2024, 1, 3)
        for since, until, whole in (
            (midnight, next_midnight, (midnight, next_midnight)),
            (datetime(2024, 1, 1, 23), datetime(2024, 1, 3, 1), (midnight, next_midnight)),
            (datetime(2024, 1, 1, 23), datetime(2024, 1, 2, 1), (datetime(2024, 1, 2, 1),) * 2),
            (datetime(2024, 1, 2, 1), datetime(2024, 1, 2, 2), (datetime(2024, 1, 2, 2),) * 2),
            (midnight, midnight, (midnight, midnight)),
        ):
            self.assertEqual(whole_days(since, until), whole, (since, until))


@tagged("post_install", "-at_install")
class TestUsageDay(AstppCommon):
    """What is read from totals and days is what the lines themselves add up to."""

    def setUp(self):
        super().setUp()
        self.random = random.Random(7)
        self.accounts = self.customer | self.reseller_customer
        first = self.row(self.customer, callstart="2024-01-10 00:00:00")
        self.load(
            *(
                self.row(self.random.choice(self.accounts), callstart=str(self.moment()), debit=str(n / 7)[:6])
                for n in range(60)
            ),
            *(first, first, self.row(self.customer, callstart=str(self.moment()), debit="-2")),
            self.row(None, callstart="2024-01-20 10:00:00") | {"accountid": "4711"},
        )
        self.env["astpp.usage"].search([("amount", "=", -2)]).action_release()
        self.env["astpp.usage"].create(
            [
                {"account_id": account.id, "amount": amount, "charge_type": kind, "date": self.moment()}
                for account in self.accounts
                for kind, amount in (("charge", 30), ("charge", -4.5), ("credit", -7.25))
            ]
        )
        self.bill(self.customer)

    def moment(self):
        return datetime(2024, 1, 10) + timedelta(seconds=self.random.randint(0, 40 * 24 * 3600))

    def lines(self, domain):
        groups = ["__count", "debit:sum", "credit:sum", "duration:sum"]
        [(count, debit, credit, seconds)] = self.env["astpp.usage"]._read_group(domain, [], groups)
        return count, debit or 0.0, credit or 0.0, seconds or 0

    def assertCharged(self, domain):
        found, wanted = self.env["astpp.usage"]._charged(domain), self.lines(domain)
        self.assertEqual((found["count"], found["seconds"]), (wanted[0], wanted[3]), domain)
        self.assertAlmostEqual(found["debit"], wanted[1], 6, domain)
        self.assertAlmostEqual(found["credit"], wanted[2], 6, domain)
        return found["count"]

    def test_charged(self):
        """Whatever is asked for: alone, of one account or several, and between any two moments."""
        counts = []
        for accounts in (
            Domain("account_id", "in", self.accounts.ids),
            Domain("account_id", "=", self.customer.id),
            Domain("account_id", "any", Domain("parent_id", "=", self.reseller.id)),
        ):
            for asked in (
                Domain.TRUE,
                UNBILLED.domain,
                BILLED.domain,
                Domain("charge_type", "=", "standard"),
                Domain("charge_type", "!=", "standard") & Domain("amount", ">", 0),
                Domain("amount", "<", 0),
                Domain("direction", "=", "outbound") | Domain("callee", "ilike", "44"),
                Domain("move_id", "in", self.customer.move_ids.ids),
                Domain.FALSE,
            ):
                for held in (NOT_HELD.domain, Domain.TRUE):
                    domain = accounts & held & asked
                    counts.append(self.assertCharged(domain))
                    since = self.moment()
                    midnight = datetime.combine(since, datetime.min.time())
                    counts += [
                        self.assertCharged(domain & dates)
                        for dates in (
                            Domain("date", ">=", since),
                            Domain("date", "<", since),
                            Domain("date", ">=", midnight) & Domain("date", "<", midnight + timedelta(days=9)),
                            Domain("date", ">=", since) & Domain("date", "<", since + timedelta(days=9)),
                            Domain("date", ">=", since) & Domain("date", "<", since + timedelta(hours=3)),
                            Domain("date", ">", since),
                        )
                    ]
        self.assertGreater(len(set(counts)), 20, "there was something to add up")

    def assertDaysHold(self):
        self.env["astpp.violation"]._check()
        self.assertFalse(self.env["astpp.violation"].search([("kind", "in", ("other_day", "other_total"))]))

    def test_running_balance(self):
        shown = self.env["astpp.usage"].search([("account_id", "in", self.accounts.ids)], order="date, id")
        balance = dict.fromkeys(self.accounts, 0.0)
        wanted = {}
        for usage in shown:
            balance[usage.account_id] += 0 if usage.exception else usage.amount
            wanted[usage] = balance[usage.account_id]
        for some in (shown, shown[5:9], shown[40]):
            some.invalidate_recordset(["balance"])
            for usage in some:
                self.assertAlmostEqual(usage.balance, wanted[usage], 6)

    def test_chart(self):
        found = self.env["astpp.usage"]._daily_sums(self.reseller_issuer, date(2024, 1, 9), date(2024, 2, 5))
        self.assertEqual([day for day, _lines, _amount in found], [date(2024, 1, 9) + timedelta(n) for n in range(28)])
        usage = self.env["astpp.usage"].search([("issuer_id", "=", self.reseller_issuer.id)])
        for day, lines, amount in found:
            of_day = usage.filtered(lambda line, day=day: line.date.date() == day and not line.exception)
            self.assertEqual(lines, len(of_day))
            self.assertAlmostEqual(amount, sum(of_day.mapped("amount")), 6)

    def test_delivered(self):
        """By day and account, unknown ones by the name that the source has for them."""
        for start, end in (
            (datetime(2024, 1, 10), datetime(2024, 2, 1)),
            (datetime(2024, 1, 10, 7), datetime(2024, 1, 25, 13)),
            (datetime(2024, 1, 12, 1), datetime(2024, 1, 12, 23)),
        ):
            query = self.env["astpp.usage"]._delivered_query(self.server, "cdr", start, end)
            found = {}
            for day, account, ref, lines, duration, amount in self.env.execute_query(query):
                sums = found.setdefault((day, account, ref), [0, 0, 0.0])
                for position, value in enumerate((lines, duration, amount)):
                    sums[position] += value
            wanted = {}
            domain = [("source", "=", "cdr"), ("date", ">=", start), ("date", "<", end)]
            for usage in self.env["astpp.usage"].search([("server_id", "=", self.server.id), *domain]):
                key = usage.date.date(), usage.account_id.id or None, usage.account_ref or None
                sums = wanted.setdefault(key, [0, 0, 0.0])
                for position, value in enumerate((1, usage.duration, usage.rated_amount)):
                    sums[position] += value
            self.assertEqual(found.keys(), wanted.keys())
            for key, sums in found.items():
                for value, other in zip(sums, wanted[key], strict=True):
                    self.assertAlmostEqual(float(value), float(other), 6)

    def test_days_go_with_their_lines(self):
        """Calls that lose their account, and calls that get one, take their days with them."""
        usage = self.env["astpp.usage"]
        usage._disown(self.reseller_customer, "elsewhere")
        self.assertDaysHold()
        days = self.env["astpp.usage.day"].search([("account_id", "=", self.reseller_customer.id), ("lines", ">", 0)])
        self.assertEqual(set(days.mapped("source")), {"manual"})
        adopted = self.make_account("Elsewhere", number="elsewhere")
        self.assertGreater(
            sum(self.env["astpp.usage.day"].search([("account_id", "=", adopted.id)]).mapped("lines")), 9
        )
        self.assertDaysHold()
        self.customer.parent_id = self.reseller
        self.assertDaysHold()
