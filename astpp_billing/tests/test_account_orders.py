from datetime import datetime
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from .common import AstppCommon
from .sync_common import SyncCommon


@tagged("post_install", "-at_install")
class TestAccountOrders(AstppCommon):
    """The subscriptions of an account follow its status."""

    @freeze_time("2024-04-01 10:00:00")
    def test_closed_account_ends_its_orders_that_day(self):
        order = self.subscribe(self.customer, self.make_product())
        with freeze_time("2024-04-10 12:00:00"):
            self.customer.status = "closed"
        self.assertEqual((order.state, order.end_date), ("terminated", datetime(2024, 4, 10, 12)))
        self.assertEqual(order.close_reason_id, self.env.ref("astpp_billing.close_reason_account"))

    @freeze_time("2024-04-01 10:00:00")
    def test_an_order_that_cannot_follow_stops_neither_its_account_nor_others(self):
        broken, order = (self.subscribe(self.customer, self.make_product()) for _ in range(2))
        cls, terminate = type(order), type(order)._terminate

        def fail(orders, *args, **kwargs):
            if broken in orders:
                raise ValueError("no such thing")
            return terminate(orders, *args, **kwargs)

        with patch.object(cls, "_terminate", fail), mute_logger("odoo.addons.astpp_billing"):
            self.customer.status = "closed"
        self.assertEqual((self.customer.status, order.state, broken.state), ("closed", "terminated", "active"))
        self.assertIn("no such thing", broken.renewal_error)
        with freeze_time("2024-04-01 12:00:00"):
            self.env["astpp.subscription"].sudo()._renew_batch()
        self.assertEqual((broken.state, broken.renewal_error), ("terminated", False), "tried again")

    @freeze_time("2024-04-01 10:00:00")
    def test_reactivated_account_resumes_by_itself(self):
        """Subscriptions that were suspended by hand stay so."""
        self.server.on_reactivation = "resume"
        order, by_hand = (self.subscribe(self.customer, self.make_product()) for _ in range(2))
        by_hand.action_suspend()
        self.customer.status = "suspended"
        self.assertEqual(order.state, "suspended")
        with freeze_time("2024-05-10 10:00:00"):
            self.customer.status = "active"
        self.assertEqual((order.state, order.start_date), ("active", datetime(2024, 5, 10)))
        self.assertEqual(by_hand.state, "suspended")

    @freeze_time("2024-04-01 10:00:00")
    def test_reactivated_account_asks(self):
        order = self.subscribe(self.customer, self.make_product())
        self.customer.status = "suspended"
        self.assertFalse(self.customer.activity_ids)
        self.customer.status = "active"
        self.assertEqual(order.state, "suspended")
        self.assertIn(order.name, self.customer.activity_ids.note)
        self.customer.status = "suspended"
        self.assertFalse(self.customer.activity_ids)

    @freeze_time("2024-04-01 10:00:00")
    def test_drafts_of_several_accounts_need_their_own_funds_only(self):
        product = self.make_product(price=30, astpp_release_without_funds=True)
        accounts = [self.make_account(payment_mode="prepaid", available_funds=50) for _ in range(2)]
        drafts = self.env["astpp.subscription"].create(
            [{"account_id": account.id, "product_id": product.id} for account in accounts]
        )
        drafts.action_start()
        self.assertEqual(set(drafts.mapped("state")), {"active"})
        again = self.env["astpp.subscription"].create(
            [{"account_id": self.make_account(payment_mode="prepaid", available_funds=50).id,
              "product_id": product.id}] * 2
        )  # fmt: skip
        with self.assertRaisesRegex(UserError, "not enough funds"):
            again.action_start()

    @freeze_time("2024-01-01 10:00:00")
    def test_one_mail_for_a_catch_up(self):
        order = self.subscribe(self.customer, self.make_product(astpp_period_count=1, astpp_period_unit="day"))
        with freeze_time("2024-01-31 10:00:00"):
            self.renew()
        self.assertEqual(order.notice_ids.mapped("kind"), ["renewed"])
        self.assertEqual(order.notice_ids.date, datetime(2024, 1, 31))

    @freeze_time("2024-01-01 10:00:00")
    def test_reminder_quotes_the_price_to_come(self):
        order = self.subscribe(self.customer, self.make_product(price=12))
        order._plan_price(15, datetime(2024, 2, 1))
        with freeze_time("2024-01-30 10:00:00"):
            order._notify("reminder")
        mail = self.env["mail.mail"].sudo().search([("recipient_ids", "in", self.customer.partner_id.ids)])
        self.assertIn("15.00", mail.body_html)
        self.assertEqual(order._price_text(), self.server.currency_id.format(12.0), "until then it is the old one")


@tagged("post_install", "-at_install")
class TestOrdersOfAstpp(SyncCommon):
    """What ASTPP's own orders can and cannot do."""

    def setUp(self):
        super().setUp()
        self.server.sync_from = datetime(2024, 3, 1)
        self.order_package()

    def item(self, key, account, parent=0):
        self.mariadb.insert(
            "orders",
            {"id": key, "order_id": f"o{key}", "accountid": account, "payment_status": "PAID",
             "parent_order_id": parent},
        )  # fmt: skip
        self.mariadb.insert(
            "order_items",
            {"id": key + 100, "order_id": key, "product_category": 1, "product_id": 3, "quantity": 3, "price": "60",
             "billing_type": 1, "billing_days": 30, "free_minutes": 500, "accountid": account,
             "billing_date": "2024-03-01 00:00:01", "next_billing_date": "2024-03-30 23:59:59",
             "termination_date": "0000-00-00 00:00:00"},
        )  # fmt: skip

    @freeze_time("2024-03-10 10:00:00")
    def test_levels_are_linked(self):
        """A parent that is not above the account is ASTPP's mistake, and no level."""
        self.item(50, 7)
        self.item(51, 12, parent=50)
        self.item(52, 13, parent=51)
        self.sync()
        by_id = {order.astpp_order_id: order for order in self.orders()}
        self.assertEqual(by_id[51].wholesale_id, by_id[50])
        self.assertFalse(by_id[52].wholesale_id | by_id[50].wholesale_id)

    @freeze_time("2024-03-10 10:00:00")
    def test_minutes_are_given_once(self):
        self.item(50, 12)
        self.sync()
        order = self.orders().filtered(lambda each: each.astpp_order_id == 50)
        self.assertEqual((order.quantity, order.allowance_ids.included_minutes), (3, 500))

    @freeze_time("2024-03-10 10:00:00")
    def test_order_that_astpp_renews_cannot_be_suspended(self):
        self.sync()
        with self.assertRaisesRegex(UserError, "ASTPP renews"):
            self.orders().action_suspend()
        self.server.renewals_by = "odoo"
        self.orders().action_suspend()
        self.assertEqual(self.orders().state, "suspended")
        self.sync()
        self.assertEqual(self.orders().state, "suspended")

    @freeze_time("2024-03-10 10:00:00")
    def test_numbers_imported_in_bulk_are_told(self):
        self.mariadb.insert(
            "products",
            {"id": 30, "name": "4420777", "product_category": 4, "price": "5", "billing_type": 1, "billing_days": 0},
        )
        self.mariadb.insert("dids", {"id": 31, "number": "4420777", "accountid": 13, "product_id": 30})
        self.item(60, 13)
        self.mariadb.execute(
            "UPDATE order_items SET product_category = 4, product_id = 30, billing_days = 0, quantity = 1,"
            " next_billing_date = '2034-02-28 23:59:59' WHERE id = 160"
        )
        self.sync()
        self.server.action_test_connection()
        self.assertIn("1 numbers are never renewed", self.server.check_report)
        self.assertIn("4420777", self.server.check_report)
