from datetime import datetime

from odoo.exceptions import UserError, ValidationError
from odoo.tests import freeze_time, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestSubscription(AstppCommon):
    """Start, renewal, change and end of orders."""

    def charges(self, subscription, *types):
        usage = self.env["astpp.usage"].search(
            [("subscription_id", "=", subscription.id), ("source", "=", "subscription")], order="date, id"
        )
        if types:
            usage = usage.filtered(lambda line: line.charge_type in types)
        return [(line.date.isoformat(" ", "minutes"), line.charge_type, line.amount) for line in usage]

    @freeze_time("2024-01-31 10:00:00")
    def test_start_and_month_ends(self):
        subscription = self.subscribe(self.customer, self.make_product(price=10, setup_fee=25))
        self.assertEqual(subscription.state, "active")
        self.assertEqual(
            self.charges(subscription),
            [("2024-01-31 00:00", "subscription", 10.0), ("2024-01-31 00:00", "setup", 25.0)],
        )
        self.assertEqual(subscription.next_date, datetime(2024, 2, 29))
        with freeze_time("2024-06-01 00:30:00"):
            self.renew()
            self.assertEqual(
                [date for date, _type, _amount in self.charges(subscription, "subscription")],
                ["2024-01-31 00:00", "2024-02-29 00:00", "2024-03-31 00:00", "2024-04-30 00:00", "2024-05-31 00:00"],
                "missed periods come one by one, each with its own date, and keep to the 31st",
            )
            self.renew()
        self.assertEqual(len(self.charges(subscription, "subscription")), 5, "a second run charges nothing")
        self.assertEqual(len(self.charges(subscription, "setup")), 1)

    @freeze_time("2024-01-10 10:00:00")
    def test_days_and_zone(self):
        account = self.make_account(tz="Asia/Tokyo")
        subscription = self.subscribe(account, self.make_product(astpp_period_unit="day", astpp_period_count=7))
        self.assertEqual(subscription.start_date, datetime(2024, 1, 9, 15), "the 10th begins then in Tokyo")
        self.assertEqual(subscription.next_date, datetime(2024, 1, 16, 15))

    @freeze_time("2024-01-10 10:00:00")
    def test_the_database_refuses_a_second_charge(self):
        """Whatever the dates say, an order's period is charged once."""
        subscription = self.subscribe(self.customer, self.make_product())
        with freeze_time("2024-02-10 10:00:00"):
            self.renew()
            before = self.charges(subscription)
            subscription.write({"next_date": "2024-02-10 00:00:00", "start_date": "2024-01-10 00:00:00"})
            self.renew()
            self.assertEqual(self.charges(subscription), before)
            self.assertEqual(subscription.next_date, datetime(2024, 3, 10))

    @freeze_time("2024-01-11 10:00:00")
    def test_prorated_to_the_billing_day(self):
        product = self.make_product(price=31, astpp_prorate=True)
        subscription = self.subscribe(self.customer, product)
        self.assertEqual(self.charges(subscription), [("2024-01-11 00:00", "subscription", 21.0)], "21 of 31 days")
        self.assertEqual(subscription.next_date, datetime(2024, 2, 1), "the account's billing day")
        with freeze_time("2024-02-01 00:10:00"):
            self.renew()
        self.assertEqual(self.charges(subscription)[-1], ("2024-02-01 00:00", "subscription", 31.0))
        self.assertEqual(subscription.next_date, datetime(2024, 3, 1))

    @freeze_time("2024-04-01 10:00:00")
    def test_upsell_in_the_middle(self):
        """The rest of the old terms is refunded, and the rest of the new ones charged."""
        small = self.make_product(price=30, astpp_prorate=True, astpp_refund_unused=True)
        large = self.make_product(name="Large", price=60, astpp_prorate=True, astpp_refund_unused=True)
        subscription = self.subscribe(self.customer, small)
        with freeze_time("2024-04-11 10:00:00"):
            subscription._plan_change(datetime.now(), large)
            self.assertEqual(
                self.charges(subscription)[1:],
                [("2024-04-11 00:00", "subscription", -20.0), ("2024-04-11 00:00", "subscription", 40.0)],
            )
            self.assertEqual((subscription.product_id, subscription.price), (large, 60))
            subscription._plan_change(datetime.now(), quantity=2)
            amounts = [amount for _date, _type, amount in self.charges(subscription)]
            self.assertEqual(amounts, [30.0, -20.0, 40.0, 40.0], "the second change of a day replaces the first")
        with freeze_time("2024-04-21 10:00:00"):
            subscription._terminate(self.env.ref("astpp_billing.close_reason_price"))
            self.assertEqual(self.charges(subscription)[-1], ("2024-04-21 00:00", "subscription", -36.0))
        self.assertEqual(subscription.state, "terminated")
        self.assertEqual(len(subscription.line_ids), 3, "a row for each day: start, change, end")

    @freeze_time("2024-04-01 10:00:00")
    def test_planned_change(self):
        product = self.make_product(price=30)
        subscription = self.subscribe(self.customer, product)
        wizard = self.env["astpp.subscription.change"].create(
            {"subscription_id": subscription.id, "when": "renewal", "quantity": 3}
        )
        wizard.action_change()
        self.assertEqual(subscription.quantity, 1)
        with freeze_time("2024-05-01 10:00:00"):
            self.renew()
        self.assertEqual((subscription.quantity, self.charges(subscription)[-1][2]), (3, 90.0))
        subscription._plan_change(datetime(2024, 6, 15), quantity=1)
        line = subscription.line_ids.filtered(lambda line: not line.applied)
        line.action_cancel()
        self.assertFalse(line.exists())
        with self.assertRaises(UserError):
            subscription.line_ids[0].action_cancel()

    @freeze_time("2024-04-01 10:00:00")
    def test_change_without_proration_waits(self):
        """Without proration the product changes at once, but the new price applies from the next period on."""
        subscription = self.subscribe(self.customer, self.make_product(price=30))
        with freeze_time("2024-04-11 10:00:00"):
            subscription._plan_change(datetime.now(), quantity=2)
            self.assertEqual((subscription.quantity, len(self.charges(subscription))), (2, 1))
        with freeze_time("2024-05-01 10:00:00"):
            self.renew()
        self.assertEqual(self.charges(subscription)[-1][2], 60.0)

    @freeze_time("2024-04-01 10:00:00")
    def test_prices_are_carried_over(self):
        product = self.make_product(price=30)
        subscription = self.subscribe(self.customer, product)
        agreed = self.subscribe(self.customer, product)
        agreed.price = 44
        product.list_price = 44
        wizard = self.env["astpp.price.change"].create({"product_id": product.id, "date": "2024-05-15 00:00:00"})
        self.assertEqual(wizard.line_ids.subscription_id, subscription, "who pays it already is not affected")
        self.assertEqual((wizard.line_ids.price, wizard.line_ids.new_price, wizard.difference), (30, 44, 14))
        wizard.action_apply()
        with freeze_time("2024-06-02 10:00:00"):
            self.renew()
        self.assertEqual([amount for _date, _type, amount in self.charges(subscription)], [30.0, 30.0, 44.0])

    @freeze_time("2024-04-01 10:00:00")
    def test_end_with_the_period(self):
        subscription = self.subscribe(self.customer, self.make_product(price=30, astpp_refund_unused=True))
        wizard = self.env["astpp.subscription.close"].with_context(active_ids=subscription.ids).create({})
        wizard.action_close()
        self.assertEqual((subscription.state, subscription.end_date), ("active", datetime(2024, 5, 1)))
        with freeze_time("2024-05-03 10:00:00"):
            self.renew()
        self.assertEqual((subscription.state, subscription.end_date), ("terminated", datetime(2024, 5, 1)))
        self.assertEqual(len(self.charges(subscription)), 1, "nothing is renewed and nothing given back")

    @freeze_time("2024-04-01 10:00:00")
    def test_end_on_a_day_with_refund(self):
        subscription = self.subscribe(self.customer, self.make_product(price=30, astpp_refund_unused=True))
        kept = self.subscribe(self.customer, self.make_product(price=30))
        for each in (subscription, kept):
            self.env["astpp.subscription.close"].with_context(active_ids=each.ids).create(
                {"when": "date", "date": "2024-04-16 12:00:00"}
            ).action_close()
        with freeze_time("2024-04-16 23:55:00"):
            self.renew()
            self.assertEqual(subscription.state, "active", "the day is used")
        with freeze_time("2024-04-17 00:05:00"):
            self.renew()
        self.assertEqual(subscription.state, "terminated")
        self.assertEqual(self.charges(subscription)[-1], ("2024-04-17 00:00", "subscription", -14.0))
        self.assertEqual(len(self.charges(kept)), 1, "the product gives nothing back")

    @freeze_time("2024-04-01 10:00:00")
    def test_reasons_to_end(self):
        once = self.subscribe(self.customer, self.make_product(astpp_recurring=False))
        withdrawn = self.subscribe(self.customer, self.make_product())
        closed = self.subscribe(self.make_account(), self.make_product())
        withdrawn.product_id.active = False
        closed.account_id.status = "closed"
        with freeze_time("2024-05-02 10:00:00"):
            self.renew()
        for subscription, reason in ((once, "one_time"), (withdrawn, "product"), (closed, "account")):
            self.assertEqual(subscription.state, "terminated")
            self.assertEqual(subscription.close_reason_id, self.env.ref(f"astpp_billing.close_reason_{reason}"))
            self.assertEqual(len(self.charges(subscription)), 1)

    @freeze_time("2024-04-01 10:00:00")
    def test_suspended_account(self):
        """The time in between is not charged, and a new period starts on the day of reactivation."""
        subscription = self.subscribe(self.customer, self.make_product(price=30))
        self.customer.status = "suspended"
        with freeze_time("2024-05-02 10:00:00"):
            self.renew()
            self.assertEqual(subscription.state, "suspended")
        with freeze_time("2024-06-10 10:00:00"):
            self.customer.status = "active"
            subscription.action_resume()
            self.assertEqual(subscription.next_date, datetime(2024, 7, 10))
        self.assertEqual(
            [date for date, _type, _amount in self.charges(subscription)], ["2024-04-01 00:00", "2024-06-10 00:00"]
        )

    @freeze_time("2024-04-01 10:00:00")
    def test_prepaid_funds(self):
        account = self.make_account(payment_mode="prepaid", available_funds=50)
        ends = self.subscribe(account, self.make_product(price=10, astpp_release_without_funds=True), quantity=3)
        self.assertEqual(account._funds_left()[account], 20)
        goes_on = self.subscribe(account, self.make_product(price=15))
        with self.assertRaisesRegex(UserError, "not enough funds"):
            self.subscribe(account, self.make_product(price=6, astpp_release_without_funds=True))
        with freeze_time("2024-05-02 10:00:00"):
            self.renew()
        self.assertEqual((ends.state, goes_on.state), ("terminated", "active"))
        self.assertEqual(account._funds_left()[account], -10)
        self.assertTrue(all(self.env["astpp.usage"].search([("account_id", "=", account.id)]).mapped("prepaid")))

    @freeze_time("2024-04-01 10:00:00")
    def test_funds_renew_as_many_as_they_cover(self):
        """The price includes the quantity, and two renewals cannot spend the same funds."""
        account = self.make_account(payment_mode="prepaid", available_funds=100)
        product = self.make_product(price=10, astpp_release_without_funds=True)
        both = self.subscribe(account, product, quantity=2) | self.subscribe(account, product, quantity=2)
        self.env["astpp.outbox"].sudo().search([("account_id", "=", account.id)]).state = "applied"
        account._astpp_own().available_funds = 30
        with freeze_time("2024-05-02 10:00:00"):
            self.renew()
        self.assertEqual(sorted(both.mapped("state")), ["active", "terminated"])

    @freeze_time("2024-04-01 10:00:00")
    def test_commission(self):
        self.reseller.commission_based = True
        product = self.make_product(price=30, setup_fee=10, astpp_commission=20, astpp_refund_unused=True)
        subscription = self.subscribe(self.reseller_customer, product)
        commissions = self.env["astpp.usage"].search([("charge_type", "=", "commission")])
        self.assertEqual(commissions.account_id, self.reseller)
        self.assertEqual(sorted(commissions.mapped("amount")), [-6, -2])
        with freeze_time("2024-04-16 10:00:00"):
            subscription._terminate(self.env.ref("astpp_billing.close_reason_request"))
        commissions = self.env["astpp.usage"].search([("charge_type", "=", "commission")])
        self.assertEqual(sorted(commissions.mapped("amount")), [-6, -2, 2.8], "14 of 30 days are given back")

    @freeze_time("2024-04-01 10:00:00")
    def test_billed_with_the_calls(self):
        product = self.make_product(name="Fibre", price=30)
        self.customer.billed_until = "2024-04-01 00:00:00"
        subscription = self.subscribe(self.customer, product)
        self.load_calls(self.customer, "1.5", callstart="2024-04-10 10:00:00")
        with freeze_time("2024-05-01 10:00:00"):
            move = self.bill(self.customer, date="2024-05-01", invoice_date="2024-05-01").move_ids
        names = move.invoice_line_ids.mapped("name")
        self.assertIn("Subscriptions: Fibre", names)
        self.assertEqual(move.amount_untaxed, 31.5)
        self.assertLedgerHolds()
        self.assertEqual(subscription.usage_count, 1)

    def test_wrong_values(self):
        with self.assertRaises(ValidationError):
            self.make_product(astpp_period_count=-1)
        with self.assertRaises(ValidationError):
            self.make_product(astpp_commission=101)
        subscription = self.subscribe(self.customer, self.make_product())
        with self.assertRaisesRegex(UserError, "Only a draft"):
            subscription.action_start()
        with self.assertRaisesRegex(UserError, "Only drafts"):
            subscription.unlink()

    @freeze_time("2024-01-10 10:00:00")
    def test_monthly_revenue(self):
        yearly = self.subscribe(self.customer, self.make_product(price=120, astpp_period_unit="year"), quantity=2)
        self.assertEqual(yearly.monthly_amount, 20)
        weekly = self.subscribe(
            self.customer, self.make_product(price=7, astpp_period_unit="day", astpp_period_count=7)
        )
        self.assertAlmostEqual(weekly.monthly_amount, 30.44)
        weekly._terminate(self.env.ref("astpp_billing.close_reason_price"))
        self.assertEqual(weekly.monthly_amount, 0)
