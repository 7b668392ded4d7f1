from datetime import date, datetime

from odoo.exceptions import UserError
from odoo.tests import Form, freeze_time, tagged

from .common import AstppCommon

BY_DAY = {"astpp_prorate": True, "astpp_refund_unused": True}


class TimelineCommon(AstppCommon):
    def amounts(self, order):
        usage = self.env["astpp.usage"].search(
            [("subscription_id", "=", order.id), ("source", "=", "subscription")], order="date, id"
        )
        return [round(amount, 2) for amount in usage.mapped("amount")]

    def total(self, order):
        return round(sum(self.amounts(order)), 2)

    def at(self, moment, function=lambda: None):
        """Do something at an instant and let the scheduled action run."""
        with freeze_time(moment):
            function()
            self.renew()
        self.env.invalidate_all()


@tagged("post_install", "-at_install")
class TestSubscriptionTimeline(TimelineCommon):
    """Each sentence about charges has its figures here; they can be worked out by hand from docs/accountant.md."""

    @freeze_time("2024-01-01 10:00:00")
    def test_two_changes_by_one_late_scheduled_action(self):
        small, middle, large = (self.make_product(price=price, **BY_DAY) for price in (31, 62, 93))
        order = self.subscribe(self.customer, small)
        order._plan_change(datetime(2024, 1, 11), middle)
        order._plan_change(datetime(2024, 1, 21), large)
        self.at("2024-01-25 10:00:00")
        self.assertEqual(self.total(order), 10 + 20 + 33)

    @freeze_time("2024-01-01 10:00:00")
    def test_nothing_is_given_back_for_what_was_free(self):
        products = [self.make_product(price=price, **BY_DAY) for price in (31, 0, 62)]
        order = self.subscribe(self.customer, products[0])
        self.at("2024-01-11 10:00:00", lambda: order._plan_change(datetime(2024, 1, 11), products[1]))
        self.assertEqual(self.amounts(order), [31, -21])
        self.at("2024-01-21 10:00:00", lambda: order._plan_change(datetime(2024, 1, 21), products[2]))
        self.assertEqual(self.amounts(order), [31, -21, 22])

    @freeze_time("2024-01-01 10:00:00")
    def test_the_later_plan_for_a_renewal_wins(self):
        first, second = (self.make_product(price=price) for price in (50, 70))
        order = self.subscribe(self.customer, self.make_product(price=30))
        for product in (first, second):
            wizard = self.env["astpp.subscription.change"].create(
                {"subscription_id": order.id, "when": "renewal", "product_id": product.id}
            )
            wizard.action_change()
        self.assertEqual(len(order.line_ids), 2)
        self.at("2024-02-01 10:00:00")
        self.assertEqual((order.product_id, self.amounts(order)), (second, [30, 70]))

    @freeze_time("2024-01-01 10:00:00")
    def test_a_price_change_leaves_planned_upgrades_alone(self):
        """Whether the upgrade comes on the same day, or before, it keeps its own price."""
        small, large = self.make_product(price=30), self.make_product(price=100)
        for planned in ("2024-02-01", "2024-01-20"):
            order = self.subscribe(self.customer, small)
            order._plan_change(datetime.fromisoformat(planned), large)
            order._plan_price(33, datetime(2024, 2, 1))
            self.at("2024-02-01 10:00:00")
            self.assertEqual((order.product_id, self.amounts(order)[-1]), (large, 100), planned)

    @freeze_time("2024-01-01 10:00:00")
    def test_yearly_to_monthly_in_march(self):
        yearly = self.make_product(price=366, astpp_period_unit="year", **BY_DAY)
        order = self.subscribe(self.customer, yearly)
        monthly = self.make_product(price=31, **BY_DAY)
        self.at("2024-03-11 10:00:00", lambda: order._plan_change(datetime(2024, 3, 11), monthly))
        self.assertEqual(self.amounts(order), [366, -296, 21], "70 days of the year; 21 of March")
        self.assertEqual(order.next_date, datetime(2024, 4, 1), "the account's billing day")
        self.at("2024-06-01 10:00:00")
        self.assertEqual(self.amounts(order)[3:], [31, 31, 31])

    @freeze_time("2024-01-01 10:00:00")
    def test_yearly_to_monthly_without_days_waits_for_the_end_of_the_year(self):
        order = self.subscribe(self.customer, self.make_product(price=366, astpp_period_unit="year"))
        monthly = self.make_product(price=31)
        self.at("2024-03-11 10:00:00", lambda: order._plan_change(datetime(2024, 3, 11), monthly))
        self.assertEqual((order.product_id, self.amounts(order)), (monthly, [366]))
        self.at("2025-02-01 10:00:00")
        self.assertEqual(self.amounts(order), [366, 31, 31])

    @freeze_time("2024-01-01 10:00:00")
    def test_monthly_to_yearly_with_the_renewal(self):
        order = self.subscribe(self.customer, self.make_product(price=31))
        order._plan_change(order.next_date, self.make_product(price=366, astpp_period_unit="year"))
        self.at("2024-03-02 10:00:00")
        self.assertEqual((self.amounts(order), order.next_date), ([31, 366], datetime(2025, 2, 1)))

    @freeze_time("2024-01-06 10:00:00")
    def test_ten_days_to_a_month_by_the_day(self):
        ten = self.make_product(price=10, astpp_period_unit="day", astpp_period_count=10)
        order = self.subscribe(self.customer, ten)
        self.at("2024-01-17 10:00:00")
        order._plan_change(order.next_date, self.make_product(price=31, **BY_DAY))
        self.at("2024-01-26 10:00:00")
        self.assertEqual(self.amounts(order), [10, 10, 6], "six days of January")
        self.assertEqual(order.next_date, datetime(2024, 2, 1))

    @freeze_time("2024-01-01 10:00:00")
    def test_the_same_change_planned_twice(self):
        order = self.subscribe(self.customer, self.make_product(price=31))
        product = self.make_product(price=62)
        for _time in range(2):
            order._plan_change(datetime(2024, 1, 11), product)
        self.at("2024-03-01 10:00:00")
        self.assertEqual((self.amounts(order), order.renewal_error), ([31, 62, 62], False))

    @freeze_time("2024-01-16 10:00:00")
    def test_the_first_period_runs_to_the_next_billing_day_whatever_the_cycle(self):
        for cycle in ({"cycle_interval": 3}, {"cycle_unit": "year", "billing_month": "1"}):
            account = self.make_account(**cycle)
            order = self.subscribe(account, self.make_product(price=31, **BY_DAY))
            self.assertEqual((self.amounts(order), order.next_date), ([16], datetime(2024, 2, 1)))
            yearly = self.subscribe(account, self.make_product(price=31, astpp_period_unit="year", **BY_DAY))
            self.assertEqual((self.amounts(yearly), yearly.next_date), ([31], datetime(2025, 1, 16)))

    @freeze_time("2024-01-16 10:00:00")
    def test_a_new_billing_day_moves_orders_when_the_accountant_says_so(self):
        order = self.subscribe(self.customer, self.make_product(price=29, **BY_DAY))
        self.customer.billing_day = 11
        self.at("2024-02-01 10:00:00")
        self.assertEqual(order.next_date, datetime(2024, 3, 1))
        with freeze_time("2024-02-05 10:00:00"):
            order.action_join_billing_day()
            order.action_join_billing_day()
        self.at("2024-03-02 10:00:00")
        self.assertEqual(self.amounts(order)[1:], [29, 10], "ten of 29 days, as from 11 February to 11 March")
        self.at("2024-03-12 10:00:00")
        self.assertEqual((self.amounts(order)[-1], order.next_date), (29, datetime(2024, 4, 11)))

    @freeze_time("2024-01-01 10:00:00")
    def test_a_new_zone_keeps_the_dates(self):
        order = self.subscribe(self.customer, self.make_product(price=30))
        order._plan_change(datetime(2024, 2, 1), price=31)
        self.customer.tz = "America/New_York"
        self.assertEqual(order.next_date, datetime(2024, 2, 1, 5))
        self.at("2024-02-01 02:00:00")
        self.assertEqual(self.amounts(order), [30], "it is still January there")
        self.at("2024-02-01 06:00:00")
        self.at("2024-02-28 06:00:00", lambda: self.customer.write({"tz": "Asia/Tokyo"}))
        self.assertEqual(order.next_date, datetime(2024, 2, 29, 15), "1 March begins then in Tokyo")
        self.at("2024-03-01 10:00:00")
        self.assertEqual(self.amounts(order), [30, 31, 31])
        self.assertEqual(order.start_date, datetime(2024, 2, 29, 15))

    @freeze_time("2024-01-01 10:00:00")
    def test_a_new_zone_that_is_caught_up_late(self):
        order = self.subscribe(self.customer, self.make_product(price=31))
        self.at("2024-03-20 10:00:00", lambda: self.customer.write({"tz": "America/Los_Angeles"}))
        self.assertEqual(self.amounts(order), [31, 31, 31])
        self.assertEqual(order.next_date, datetime(2024, 4, 1, 7))

    @freeze_time("2024-01-01 10:00:00")
    def test_overdue_periods_before_a_pause_or_an_end_are_owed(self):
        product = self.make_product(price=31)
        paused, ended = self.subscribe(self.customer, product), self.subscribe(self.customer, product)
        with freeze_time("2024-03-10 10:00:00"):
            paused.action_suspend()
            ended._terminate(self.env.ref("astpp_billing.close_reason_request"))
        self.assertEqual((self.amounts(paused), paused.state), ([31, 31, 31], "suspended"))
        self.assertEqual((self.amounts(ended), ended.state), ([31, 31, 31], "terminated"))

    @freeze_time("2024-01-01 10:00:00")
    def test_overdue_periods_of_an_account_that_is_closed(self):
        order = self.subscribe(self.customer, self.make_product(price=31))
        ending = self.subscribe(self.customer, self.make_product(price=31, astpp_refund_unused=True))
        ending.end_date = "2024-02-11 00:00:00"
        with freeze_time("2024-03-10 10:00:00"):
            self.customer.status = "closed"
        self.assertEqual((self.amounts(order), order.state), ([31, 31, 31], "terminated"))
        self.assertEqual((round(self.total(ending), 2), ending.end_date), (31 + 10.69, datetime(2024, 2, 11)))

    @freeze_time("2024-01-01 10:00:00")
    def test_pause_and_resume_inside_the_paid_period(self):
        kept = self.subscribe(self.customer, self.make_product(price=31))
        given = self.subscribe(self.customer, self.make_product(price=31, astpp_refund_unused=True))
        with freeze_time("2024-01-10 10:00:00"):
            (kept | given).action_suspend()
            self.assertEqual((self.amounts(kept), self.amounts(given)), ([31], [31, -21]), "the 10th is used")
        with freeze_time("2024-01-21 10:00:00"):
            (kept | given).action_resume()
            self.assertEqual((self.amounts(kept), self.amounts(given)), ([31], [31, -21, 11]))
        self.at("2024-02-01 10:00:00")
        self.assertEqual((self.total(kept), self.total(given)), (62, 52))

    @freeze_time("2024-01-01 10:00:00")
    def test_pause_and_resume_on_one_day_change_nothing(self):
        order = self.subscribe(self.customer, self.make_product(price=31, **BY_DAY))
        with freeze_time("2024-01-10 10:00:00"):
            order.action_suspend()
            order.action_resume()
        self.assertEqual((self.total(order), order.state, len(order.line_ids)), (31, "active", 1))

    @freeze_time("2024-01-01 10:00:00")
    def test_resumed_later_begins_a_new_period(self):
        order = self.subscribe(self.customer, self.make_product(price=31, astpp_refund_unused=True))
        with freeze_time("2024-01-10 10:00:00"):
            order.action_suspend()
        with freeze_time("2024-02-12 10:00:00"):
            order.action_resume()
        self.assertEqual(self.amounts(order), [31, -21, 31])
        self.assertEqual(order.next_date, datetime(2024, 3, 12))

    @freeze_time("2024-01-01 10:00:00")
    def test_planned_changes_wait_while_paused(self):
        order = self.subscribe(self.customer, self.make_product(price=31, **BY_DAY))
        order._plan_change(datetime(2024, 1, 21), self.make_product(price=62, **BY_DAY))
        with freeze_time("2024-01-10 10:00:00"):
            order.action_suspend()
        self.at("2024-01-22 10:00:00")
        self.assertEqual((order.state, self.amounts(order)), ("suspended", [31, -21]))
        with freeze_time("2024-01-26 10:00:00"):
            order.action_resume()
        self.assertEqual(self.amounts(order), [31, -21, 12], "six days of the larger one")

    @freeze_time("2024-01-01 10:00:00")
    def test_end_for_a_past_day(self):
        order = self.subscribe(self.customer, self.make_product(price=31, **BY_DAY))
        close = self.env["astpp.subscription.close"].with_context(active_ids=order.ids)
        with freeze_time("2024-01-25 10:00:00"):
            form = Form(close)
            form.when = "now"
            self.assertEqual(form.given_back, 6)
            form.when = "date"
            form.date = "2024-01-10"
            self.assertEqual(form.given_back, 21)
            form.save().action_close()
        self.assertEqual((self.total(order), order.state), (10, "terminated"))
        self.assertEqual(order.end_date, datetime(2024, 1, 11))

    @freeze_time("2024-01-01 10:00:00")
    def test_what_is_dated_before_the_running_period_is_refused(self):
        order = self.subscribe(self.customer, self.make_product(price=31, **BY_DAY))
        self.at("2024-02-05 10:00:00")
        close = self.env["astpp.subscription.close"].with_context(active_ids=order.ids)
        with freeze_time("2024-02-05 10:00:00"):
            with self.assertRaisesRegex(UserError, "press Credit"):
                order._plan_change(datetime(2024, 1, 31), quantity=2)
            with self.assertRaisesRegex(UserError, "press Credit"):
                close.create({"when": "date", "date": "2024-01-20"}).action_close()
            with self.assertRaisesRegex(UserError, "press Credit"):
                order.end_date = "2024-01-20 00:00:00"
            order._plan_change(datetime(2024, 2, 1), quantity=2)
        self.assertEqual(self.total(order), 31 + 62, "the running period is rated anew")

    @freeze_time("2024-01-01 10:00:00")
    def test_an_end_known_beforehand_shortens_the_charge(self):
        order = self.subscribe(self.customer, self.make_product(price=31, astpp_prorate=True))
        with freeze_time("2024-01-20 10:00:00"):
            order.end_date = "2024-03-11 00:00:00"
        self.at("2024-03-12 10:00:00")
        self.assertEqual((self.amounts(order), order.state), ([31, 31, 10], "terminated"))
        late = self.subscribe(self.customer, self.make_product(price=31, astpp_prorate=True))
        with freeze_time("2024-01-20 10:00:00"):
            late.end_date = "2024-01-25 00:00:00"
        self.at("2024-01-25 10:00:00")
        self.assertEqual(self.amounts(late), [31], "it refunds nothing")

    @freeze_time("2024-01-01 10:00:00")
    def test_an_end_can_be_called_off(self):
        order = self.subscribe(self.customer, self.make_product(price=31))
        order.end_date = "2024-02-01 00:00:00"
        line = order.line_ids.filtered(lambda each: each.status == "ended")
        self.assertEqual((line.date, line.applied), (date(2024, 2, 1), False))
        line.action_cancel()
        self.assertFalse(order.end_date)
        order.end_date = "2024-02-01 00:00:00"
        order.end_date = False
        self.at("2024-02-01 10:00:00")
        self.assertEqual((self.amounts(order), order.state), ([31, 31], "active"))

    @freeze_time("2024-01-01 10:00:00")
    def test_each_side_by_its_own_product(self):
        """Given back by the old one's setting, charged by the new one's."""
        for refund, prorate, amounts in (
            (True, True, [31, -21, 42]),
            (True, False, [31, -21]),
            (False, True, [31, 42]),
            (False, False, [31]),
        ):
            old = self.make_product(price=31, astpp_refund_unused=refund, astpp_prorate=True)
            new = self.make_product(price=62, astpp_prorate=prorate)
            order = self.subscribe(self.customer, old)
            self.at("2024-01-11 10:00:00", lambda order=order, new=new: order._plan_change(datetime.now(), new))
            self.assertEqual(self.amounts(order), amounts, (refund, prorate))
            self.assertEqual(order.product_id, new, "the product changes at once")

    @freeze_time("2024-01-01 10:00:00")
    def test_terms_written_directly_hold_from_the_next_period(self):
        """Other software may write on an order, as it could before."""
        order = self.subscribe(self.customer, self.make_product(price=31))
        order.write({"price": 40, "quantity": 2})
        self.at("2024-02-01 10:00:00")
        self.assertEqual(self.amounts(order), [31, 80])
