import os
import random
from datetime import datetime, timedelta
from decimal import Decimal

from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from ..service_charge import by_product, owed
from ..service_terms import end_of, periods
from .common import AstppCommon

# make test-faults plays more of them.
SEEDS = range(8 * int(os.environ.get("FAULT_ROUNDS") or 1))
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo")


@tagged("post_install", "-at_install")
class TestSubscriptionHistories(AstppCommon):
    """Whatever happens to an order in whichever order, its charges are what its final timeline owes."""

    def test_random_histories(self):
        lengths = (("month", 1), ("month", 1), ("month", 3), ("day", 10), ("year", 1))
        self.products = [
            self.make_product(
                name=f"{price} {unit} {count}", price=price, astpp_period_unit=unit, astpp_period_count=count,
                astpp_prorate=prorate, astpp_refund_unused=refund,
            )
            for (unit, count), price, prorate, refund in zip(
                (*lengths, *lengths), (31, 62, 90, 10, 366, 0, 20, 45, 3.1, 365), (1, 1, 1, 1, 1, 0, 0, 0, 1, 0),
                (1, 1, 0, 1, 1, 0, 1, 0, 0, 1), strict=True,
            )
        ]  # fmt: skip
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.play(random.Random(seed))

    def play(self, generator):
        moment = datetime(2024, 1, generator.randint(1, 28), generator.randint(0, 23))
        with freeze_time(moment):
            account = self.make_account(tz=generator.choice(ZONES), billing_day=generator.choice((1, 15, 31)))
            order = self.subscribe(account, generator.choice(self.products), quantity=generator.randint(1, 2))
        events = []
        for _event in range(generator.randint(4, 12)):
            moment += timedelta(days=generator.choice((0, 1, 3, 10, 25, 40, 70)), hours=generator.randint(0, 23))
            name = generator.choice(
                ("plan", "plan", "plan", "price", "pause", "resume", "zone", "renew", "end", "keep")
            )
            events.append(f"{moment:%m-%d %H:%M} {name}")
            with freeze_time(moment):
                try:
                    with self.env.cr.savepoint():
                        getattr(self, name)(order, generator)
                except UserError as error:
                    events.append(str(error)[:60])
            self.env.invalidate_all()
            self.check(order, moment, events)
        with freeze_time(moment + timedelta(days=generator.randint(0, 90))):
            self.renew()
        self.env.invalidate_all()
        self.check(order, moment + timedelta(days=90), events, whole=True)

    def check(self, order, moment, events, whole=False):
        """Compare what was charged for each period with what the timeline owes for it."""
        self.assertFalse(order.renewal_error, events)
        self.assertEqual(len(order.line_ids.mapped("date")), len(order.line_ids))
        usage = self.env["astpp.usage"].search([("subscription_id", "=", order.id), ("period_date", "!=", False)])
        charged = {}
        for line in usage:
            key = (line.period_date, line.product_id.id)
            charged[key] = charged.get(key, Decimal(0)) + Decimal(str(line.amount))
        timeline, in_force = order._timeline(), order._timeline(in_force=True)
        started = max(usage.mapped("period_date"), default=timeline[0].day)
        owes = {}
        for period in periods(timeline, max(started, order._day(order.start_date))):
            for product, amount in by_product(owed(in_force, period, end_of(timeline))).items():
                owes[period.start, product] = owes.get((period.start, product), Decimal(0)) + amount
        self.assertEqual(
            {key: round(amount, 4) for key, amount in charged.items() if amount},
            {key: round(amount, 4) for key, amount in owes.items() if amount},
            "\n".join(events),
        )

    def plan(self, order, generator):
        day = datetime.now() + timedelta(days=generator.choice((0, 0, 1, 5, 20, 40)))
        if generator.random() < 0.3 and order.next_date:
            day = order.next_date
        product = generator.choice([None, *self.products])
        order._plan_change(day, product, generator.choice((None, 1, 2, 3)), restarts=generator.random() < 0.2)

    def price(self, order, generator):
        if order.state == "active" and order.next_date:
            order._plan_price(generator.choice((11, 22, 33)), datetime.now() + timedelta(days=generator.randint(0, 40)))

    def pause(self, order, _generator):
        order.action_suspend()

    def resume(self, order, _generator):
        order.action_resume()

    def zone(self, order, generator):
        order.account_id.tz = generator.choice(ZONES)

    def renew(self, *_order):
        return super().renew()

    def end(self, order, generator):
        if order.state in ("active", "suspended") and generator.random() < 0.5:
            moment = datetime.now() + timedelta(days=generator.randint(1, 30))
            order.end_date = order._instant(order._day(moment))
        elif order.state in ("active", "suspended"):
            order.end_date = False

    def keep(self, order, generator):
        if generator.random() < 0.15:
            order._terminate(self.env.ref("astpp_billing.close_reason_request"))
