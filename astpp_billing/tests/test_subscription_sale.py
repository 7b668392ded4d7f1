from odoo.exceptions import UserError
from odoo.tests import freeze_time, new_test_user, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestSubscriptionSale(AstppCommon):
    """Sale orders create subscriptions, numbers and top-ups, once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.user.group_ids |= cls.env.ref("sales_team.group_sale_manager")

    def order(self, account, *lines, **values):
        return self.env["sale.order"].create(
            {
                "partner_id": account.partner_id.id,
                "order_line": [
                    (0, 0, {"product_id": product.id, "product_uom_qty": quantity, **vals})
                    for product, quantity, vals in lines
                ],
                **values,
            }
        )

    def subscriptions(self, order):
        return self.env["astpp.subscription"].search([("sale_order_id", "in", order.ids)], order="id")

    @freeze_time("2024-01-01 10:00:00")
    def test_confirmed_order(self):
        did = self.env["astpp.did"].create({"number": "4420700", "price": 4, "setup_fee": 2})
        package = self.make_product("package", price=20, setup_fee=5, astpp_free_minutes=100)
        number = self.make_product("did", price=3)
        order = self.order(self.customer, (package, 2, {"discount": 10}), (number, 1, {"astpp_did_id": did.id}))
        self.assertEqual(order.astpp_account_id, self.customer)
        self.assertIn("setup fee of", order.order_line[0].name)
        order.action_confirm()
        first, second = self.subscriptions(order)
        self.assertEqual((first.quantity, first.price, first.setup_fee, first.state), (2, 18, 5, "active"))
        self.assertEqual((second.did_id, second.price, second.setup_fee), (did, 4, 2))
        self.assertEqual(order.astpp_subscription_count, 2)
        self.assertEqual(order.invoice_status, "no", "billing runs invoice it")
        order._action_confirm()
        self.assertEqual(len(self.subscriptions(order)), 2, "once")
        total = sum(self.env["astpp.usage"].search([("account_id", "=", self.customer.id)]).mapped("amount"))
        self.assertEqual(total, 36 + 10 + 4 + 2)
        order._action_cancel()
        self.assertEqual(set(self.subscriptions(order).mapped("state")), {"terminated"})
        self.assertEqual(did.state, "quarantine")

    @freeze_time("2024-01-01 10:00:00")
    def test_needs_an_account_and_whole_pieces(self):
        partner = self.env["res.partner"].create({"name": "Nobody"})
        order = self.env["sale.order"].create(
            {"partner_id": partner.id, "order_line": [(0, 0, {"product_id": self.make_product().id})]}
        )
        with self.assertRaisesRegex(UserError, "Choose the ASTPP account"):
            order.action_confirm()
        with self.assertRaisesRegex(UserError, "by the piece"):
            self.order(self.customer, (self.make_product(), 1.5, {})).action_confirm()

    @freeze_time("2024-01-01 10:00:00")
    def test_salesman(self):
        """Selling needs no accounting rights."""
        user = new_test_user(
            self.env, login="seller", groups="sales_team.group_sale_salesman_all_leads",
            company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip
        order = self.order(self.customer, (self.make_product(), 1, {}), user_id=user.id)
        order.with_user(user).action_confirm()
        self.assertEqual(self.subscriptions(order).state, "active")

    @freeze_time("2024-01-01 10:00:00")
    def test_levels(self):
        """A reseller pays its own price for a customer's order, for as long as that order runs."""
        product = self.make_product(price=10, setup_fee=3)
        pricelist = self.env["product.pricelist"].create(
            {
                "name": "Reseller's prices",
                "item_ids": [
                    (
                        0,
                        0,
                        {
                            "product_id": product.id,
                            "compute_price": "fixed",
                            "fixed_price": 15,
                            "astpp_own_setup_fee": True,
                            "astpp_setup_fee": 8,
                        },
                    )
                ],
            }
        )
        self.reseller_issuer.pricelist_id = pricelist
        order = self.order(self.reseller_customer, (product, 1, {}))
        self.assertEqual((order.pricelist_id, order.order_line.price_unit), (pricelist, 15))
        order.action_confirm()
        retail = self.subscriptions(order).filtered(lambda s: s.account_id == self.reseller_customer)
        wholesale = self.subscriptions(order) - retail
        self.assertEqual((retail.price, retail.setup_fee, retail.wholesale_id), (15, 8, wholesale))
        self.assertEqual((wholesale.account_id, wholesale.price, wholesale.setup_fee), (self.reseller, 10, 3))
        retail._terminate(self.env.ref("astpp_billing.close_reason_request"))
        self.assertEqual(wholesale.state, "terminated")

    @freeze_time("2024-01-01 10:00:00")
    def test_top_up_line(self):
        account = self.make_account(payment_mode="prepaid")
        order = self.order(account, (self.make_product("topup", price=50), 1, {}))
        order.action_confirm()
        topup = self.env["astpp.topup"].search([("account_id", "=", account.id)])
        self.assertEqual((topup.amount, topup.state, topup.move_id.state), (50, "invoiced", "posted"))
        self.assertEqual(order.invoice_status, "invoiced")
