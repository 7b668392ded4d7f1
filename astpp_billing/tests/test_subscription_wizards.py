from datetime import date, datetime

from odoo.exceptions import AccessError
from odoo.tests import Form, freeze_time, new_test_user, tagged

from .test_subscription_timeline import BY_DAY, TimelineCommon


@tagged("post_install", "-at_install")
class TestSubscriptionWizards(TimelineCommon):
    """Changes and prices from their dialogs, which say what they cost, and the explanation of a charge."""

    @freeze_time("2024-01-01 10:00:00")
    def test_now_begins_a_full_new_period(self):
        order = self.subscribe(self.customer, self.make_product(price=31))
        with freeze_time("2024-01-11 10:00:00"):
            form = Form(self.env["astpp.subscription.change"].with_context(active_id=order.id))
            form.when = "now"
            form.quantity = 2
            self.assertEqual((form.cost, form.renewal_day, form.renewal_cost), (62, date(2024, 2, 11), 62))
            self.assertFalse(form.replaces)
            form.save().action_change()
        self.assertEqual((self.amounts(order), order.next_date), ([31, 62], datetime(2024, 2, 11)))

    @freeze_time("2024-01-01 10:00:00")
    def test_the_wizard_says_what_it_costs(self):
        order = self.subscribe(self.customer, self.make_product(price=31, **BY_DAY))
        large = self.make_product(price=62, **BY_DAY)
        wizard = self.env["astpp.subscription.change"].create(
            {"subscription_id": order.id, "when": "date", "date": "2024-01-11", "product_id": large.id}
        )
        self.assertEqual((wizard.cost, wizard.renewal_day, wizard.renewal_cost), (-21 + 42, date(2024, 2, 1), 62))
        wizard.action_change()
        again = self.env["astpp.subscription.change"].create(
            {"subscription_id": order.id, "when": "date", "date": "2024-01-11", "quantity": 2}
        )
        self.assertIn("11", again.replaces)
        again.date = "2023-12-01"
        self.assertIn("Credit", again.problem)
        self.at("2024-01-12 10:00:00")
        self.assertEqual(self.amounts(order), [31, -21, 42])

    @freeze_time("2024-01-01 10:00:00")
    def test_explained(self):
        """The days and prices of a period, also one that is over, add up to what was charged."""
        order = self.subscribe(self.customer, self.make_product(price=31, **BY_DAY), quantity=2)
        large = self.make_product(price=62, name="Large", **BY_DAY)
        self.at("2024-01-11 10:00:00", lambda: order._plan_change(datetime(2024, 1, 11), large, quantity=1))
        action = order.action_explain()
        text = self.env[action["res_model"]].browse(action["res_id"]).explanation
        for words in ("2 × Line", "the whole period of 31 days", "21 days, from 01/11/2024", "21 of 31 days", "Large"):
            self.assertIn(words, text)
        self.at("2024-02-02 10:00:00")
        january = order.charge_ids.filtered(lambda line: line.period_date == date(2024, 1, 1))[:1]
        action = january.action_explain()
        self.assertEqual(self.env[action["res_model"]].browse(action["res_id"]).explanation, text)
        explained = order._explained(date(2024, 1, 1))
        self.assertEqual((explained["owed"], explained["charged"]), (62, 62))
        self.assertIn(
            "not known here",
            str(
                self.env["ir.qweb"]._render(
                    "astpp_billing.subscription_explanation", order._explained(date(2023, 12, 1))
                )
            ),
        )

    @freeze_time("2024-01-01 10:00:00")
    def test_a_price_change_on_the_day_of_a_renewal_counts(self):
        product = self.make_product(price=30)
        order, agreed = self.subscribe(self.customer, product), self.subscribe(self.customer, product, price=25)
        planned = self.subscribe(self.customer, self.make_product(price=10))
        planned._plan_change(datetime(2024, 3, 1), product)
        product.list_price = 33
        with freeze_time("2024-02-01 15:00:00"):
            self.renew()
            wizard = Form(self.env["astpp.price.change"])
            wizard.product_id = product
            wizard.save().action_apply()
        self.at("2024-03-01 10:00:00")
        self.assertEqual(self.amounts(order), [30, 30, 3, 33], "in addition, on the day of the renewal")
        self.assertEqual(self.amounts(agreed), [25, 25, 25])
        self.assertEqual(self.amounts(planned), [10, 10, 33])

    @freeze_time("2024-01-01 10:00:00")
    def test_orders_of_another_company_cannot_be_guessed(self):
        order = self.subscribe(self.customer, self.make_product(price=31, **BY_DAY))
        other = self.env["res.company"].create({"name": "Unrelated"})
        stranger = new_test_user(
            self.env, login="stranger", groups="base.group_user,account.group_account_invoice",
            company_id=other.id, company_ids=[(6, 0, other.ids)],
        )  # fmt: skip
        self.env.invalidate_all()
        for record in (order, order.charge_ids[:1]):
            with self.subTest(record._name), self.assertRaises(AccessError):
                record.with_user(stranger).action_explain()
        for action in ("action_join_billing_day", "action_suspend"):
            with self.subTest(action), self.assertRaises(AccessError):
                getattr(order.with_user(stranger), action)()
        with self.assertRaises(AccessError):
            order.line_ids.with_user(stranger).action_cancel()
        for wizard in ("astpp.subscription.change", "astpp.subscription.explain"):
            with self.subTest(wizard), self.assertRaises(AccessError):
                self.env[wizard].with_user(stranger).create(
                    {"subscription_id": order.id, "first_day": "2024-01-01"}
                    if "explain" in wizard
                    else {"subscription_id": order.id}
                )
