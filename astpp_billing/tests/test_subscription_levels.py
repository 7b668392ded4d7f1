from datetime import datetime

from odoo.tests import freeze_time, tagged

from .test_subscription_timeline import BY_DAY, TimelineCommon


@tagged("post_install", "-at_install")
class TestSubscriptionLevels(TimelineCommon):
    """The orders of the resellers above follow their customer's order, each at its own price."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.upper = cls.make_account("Upper Reseller", account_type="reseller")
        cls.upper_issuer = cls.make_issuer(cls.upper, prefix="U1-")
        cls.reseller.parent_id = cls.upper

    def order(self, price=90, **values):
        """Return a customer's order at 90, which costs his reseller 60 and the one above 31."""
        product = self.make_product(price=31, **values)
        for issuer, amount in ((self.reseller_issuer, price), (self.upper_issuer, 60)):
            issuer.pricelist_id = self.env["product.pricelist"].create(
                {
                    "name": issuer.name,
                    "item_ids": [
                        (0, 0, {"applied_on": "0_product_variant", "product_id": product.id,
                                "compute_price": "fixed", "fixed_price": amount})
                    ],
                }
            )  # fmt: skip
        return self.subscribe(self.reseller_customer, product)

    def chain(self, order):
        return [order, order.wholesale_id, order.wholesale_id.wholesale_id]

    def totals(self, orders):
        return [self.total(order) for order in orders]

    @freeze_time("2024-01-01 10:00:00")
    def test_an_order_made_by_hand_has_its_levels(self):
        orders = self.chain(self.order())
        self.assertEqual([order.account_id for order in orders], [self.reseller_customer, self.reseller, self.upper])
        self.assertEqual(self.totals(orders), [90, 60, 31])

    @freeze_time("2024-01-01 10:00:00")
    def test_quantity_pause_and_resume(self):
        orders = self.chain(self.order())
        orders[0]._plan_change(datetime(2024, 2, 1), quantity=3)
        self.at("2024-02-01 10:00:00")
        self.assertEqual(self.totals(orders), [90 * 4, 60 * 4, 31 * 4])
        orders[0]._plan_change(datetime(2024, 3, 1), quantity=1)
        with freeze_time("2024-02-20 10:00:00"):
            orders[0].action_suspend()
        self.at("2024-04-05 10:00:00")
        self.assertEqual(self.totals(orders), [90 * 4, 60 * 4, 31 * 4], "suspended: nothing is charged")
        self.assertEqual({order.state for order in orders}, {"suspended"})
        with freeze_time("2024-04-10 10:00:00"):
            orders[0].action_resume()
        self.assertEqual(self.totals(orders), [90 * 5, 60 * 5, 31 * 5])
        self.assertEqual({order.next_date for order in orders}, {datetime(2024, 5, 10)})

    @freeze_time("2024-01-01 10:00:00")
    def test_end_known_beforehand_and_called_off(self):
        orders = self.chain(self.order(**BY_DAY))
        with freeze_time("2024-01-20 10:00:00"):
            orders[0].end_date = "2024-02-11 00:00:00"
        self.assertEqual({order.end_date for order in orders}, {datetime(2024, 2, 11)})
        orders[0].line_ids.filtered(lambda line: line.status == "ended").action_cancel()
        self.assertEqual({order.end_date for order in orders}, {False})
        with freeze_time("2024-01-20 10:00:00"):
            orders[0].end_date = "2024-02-11 00:00:00"
        self.at("2024-02-12 10:00:00")
        self.assertEqual({order.state for order in orders}, {"terminated"})
        self.assertEqual(
            self.totals(orders), [round(price * (1 + 10 / 29), 2) for price in (90, 60, 31)], "ten days of February"
        )

    @freeze_time("2024-01-01 10:00:00")
    def test_a_plan_that_is_called_off(self):
        orders = self.chain(self.order())
        orders[0]._plan_change(datetime(2024, 2, 1), quantity=3)
        orders[0].line_ids.filtered(lambda line: not line.applied).action_cancel()
        self.at("2024-02-01 10:00:00")
        self.assertEqual(self.totals(orders), [180, 120, 62])

    @freeze_time("2024-01-01 10:00:00")
    def test_levels_have_no_minutes(self):
        orders = self.chain(self.order(kind="package", astpp_free_minutes=100))
        larger = self.make_product("package", price=50, astpp_free_minutes=200, **BY_DAY)
        with freeze_time("2024-01-11 10:00:00"):
            orders[0]._plan_change(datetime(2024, 1, 11), larger)
        self.assertEqual([order.product_id for order in orders], [larger] * 3)
        self.assertEqual([order.free_minutes for order in orders], [200, 0, 0])
        self.assertFalse((orders[1] | orders[2]).allowance_ids)

    @freeze_time("2024-01-01 10:00:00")
    def test_a_customer_moves_to_another_reseller(self):
        """The former chain ends, the new one begins that day, each charged by the day; the customer pays as before."""
        other = self.make_account("Other Reseller", account_type="reseller")
        for values in ({}, BY_DAY, {"astpp_period_unit": "day", "astpp_period_count": 31}):
            self.reseller_customer.parent_id = self.reseller
            order = self.order(**values)
            former = self.chain(order)[1:]
            with freeze_time("2024-01-11 10:00:00"):
                self.reseller_customer.parent_id = other
            self.assertFalse(order.renewal_error)
            self.assertEqual([level.state for level in former], ["terminated"] * 2)
            self.assertEqual(self.totals(former), [round(60 * 10 / 31, 2), 10], values)
            level = order.wholesale_id
            self.assertEqual((level.account_id, self.amounts(level)), (other, [21]), values)
            self.at("2024-02-01 10:00:00")
            self.assertEqual((self.amounts(level), self.total(order)), ([21, 31], 180), values)
            order._terminate(self.env.ref("astpp_billing.close_reason_request"))

    @freeze_time("2024-01-01 10:00:00")
    def test_a_reseller_moves_with_his_customers(self):
        other = self.make_account("Other Upper", account_type="reseller")
        orders = self.chain(self.order(**BY_DAY))
        with freeze_time("2024-01-11 10:00:00"):
            self.reseller.parent_id = other
        self.assertEqual((orders[1].state, orders[2].state), ("active", "terminated"))
        self.assertEqual(orders[0].wholesale_id, orders[1], "what is below the reseller stays")
        self.assertEqual((orders[1].wholesale_id.account_id, self.totals(orders)), (other, [90, 60, 10]))
        self.assertEqual(self.amounts(orders[1].wholesale_id), [21])

    @freeze_time("2024-01-01 10:00:00")
    def test_overdue_periods_belong_to_the_former_chain(self):
        other = self.make_account("Other Reseller", account_type="reseller")
        order = self.order(**BY_DAY)
        former = order.wholesale_id
        with freeze_time("2024-03-11 10:00:00"):
            self.reseller_customer.parent_id = other
        self.assertEqual((self.total(order), self.total(former)), (270, round(60 * (2 + 10 / 31), 2)))
        self.assertEqual(self.amounts(order.wholesale_id), [21], "21 of 31 days of March")
