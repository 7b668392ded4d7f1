from datetime import datetime
from types import SimpleNamespace

from lxml import etree

from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from .common import AstppCommon
from .sync_common import SyncCommon
from .test_outbox_rows import GRANTS, WRITER


@tagged("post_install", "-at_install")
class TestDidLevels(AstppCommon):
    """Every level pays once for the number of a reseller's customer, and only one of them owns it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.number = cls.make_product("did", name="Number", price=30)
        cls.did = cls.env["astpp.did"].create({"number": "4420900", "server_id": cls.server.id})
        cls.reason = cls.env.ref("astpp_billing.close_reason_request")

    def sell(self, account, *lines):
        """Confirm a sale order of (product, values) and return the subscriptions that it creates."""
        order = self.env["sale.order"].sudo().create(
            {
                "partner_id": account.partner_id.id,
                "astpp_account_id": account.id,
                "order_line": [
                    (0, 0, {"product_id": product.id, "product_uom_qty": 1, **values}) for product, values in lines
                ],
            }
        )  # fmt: skip
        order.action_confirm()
        return self.env["astpp.subscription"].search([("sale_order_id", "=", order.id)])

    def charges(self, account, kind="did_fee"):
        domain = [("account_id", "=", account.id), ("charge_type", "=", kind)]
        return self.env["astpp.usage"].search(domain, order="date, id").mapped("amount")

    def of(self, subscriptions, account):
        return subscriptions.filtered(lambda subscription: subscription.account_id == account)

    @freeze_time("2024-01-01 10:00:00")
    def test_reseller_pays_for_his_customers_number(self):
        """Numbers are paid at every level, like any other product."""
        line = self.make_product(name="Line", price=30)
        orders = self.sell(self.reseller_customer, (self.number, {"astpp_did_id": self.did.id}), (line, {}))
        self.assertEqual((self.charges(self.reseller), self.charges(self.reseller, "subscription")), ([30], [30]))
        self.assertEqual(self.did.account_id, self.reseller_customer, "he has it, and nobody else")
        self.assertEqual(self.did.assignment_ids.account_id, self.reseller_customer)
        wholesale = self.of(orders, self.reseller).filtered("did_id")
        usage = self.env["astpp.usage"].search([("subscription_id", "=", wholesale.id)])
        self.assertIn("4420900", usage.description)
        retail = self.of(orders, self.reseller_customer).filtered("did_id")
        self.assertEqual(retail.wholesale_id, wholesale)
        with freeze_time("2024-02-01 10:00:00"):
            self.renew()
            self.assertEqual(self.charges(self.reseller), [30, 30])
            retail._terminate(self.reason)
        self.assertEqual((wholesale.state, self.did.state), ("terminated", "quarantine"))
        self.assertFalse(self.did.account_id)

    @freeze_time("2024-01-01 10:00:00")
    def test_each_level_pays_its_own_price(self):
        """The number's own price is the operator's; a reseller sells at the prices of its own pricelist."""
        lower = self.make_account("Lower Reseller", account_type="reseller", parent_id=self.reseller.id)
        customer = self.make_account("Customer Below", parent_id=lower.id)
        self.did.write({"price": 4, "setup_fee": 2})
        self.reseller_issuer.pricelist_id = self.env["product.pricelist"].create(
            {
                "name": "Upper Reseller's prices",
                "item_ids": [
                    (0, 0, {"product_id": self.number.id, "compute_price": "fixed", "fixed_price": 7,
                            "astpp_own_setup_fee": True, "astpp_setup_fee": 3}),
                ],
            }
        )  # fmt: skip
        orders = self.sell(customer, (self.number, {"astpp_did_id": self.did.id, "price_unit": 9}))
        self.assertEqual(
            [(each.price, each.setup_fee) for each in (self.of(orders, lower), self.of(orders, self.reseller))],
            [(7, 3), (4, 2)],
        )
        self.assertEqual(self.of(orders, customer).price, 9)
        self.assertEqual(self.of(orders, lower).wholesale_id, self.of(orders, self.reseller))
        self.assertEqual(self.did.account_id, customer)
        self.of(orders, customer)._terminate(self.reason)
        self.assertEqual(set(orders.mapped("state")), {"terminated"})

    @freeze_time("2024-01-01 10:00:00")
    def test_commission_based_reseller_pays_nothing(self):
        self.reseller.commission_based = True
        self.sell(self.reseller_customer, (self.number, {"astpp_did_id": self.did.id}))
        self.assertFalse(self.charges(self.reseller))

    @freeze_time("2024-01-01 10:00:00")
    def test_reseller_ordered_it_first(self):
        """A reseller may give its numbers to its customers; the operator's other customers cannot have them."""
        self.did.reseller_id = self.reseller
        own = self.subscribe(self.reseller, self.number, did_id=self.did.id)
        with self.assertRaisesRegex(UserError, "not free: Assigned"):
            self.subscribe(self.customer, self.number, did_id=self.did.id)
        order = self.subscribe(self.reseller_customer, self.number, did_id=self.did.id)
        self.assertEqual(self.did.account_id, self.reseller_customer)
        with self.assertRaisesRegex(UserError, "not free: Assigned"):
            other = self.make_account("Other Customer", parent_id=self.reseller.id)
            self.subscribe(other, self.number, did_id=self.did.id)
        order._terminate(self.reason)
        self.assertEqual((self.did.account_id, self.did.state, own.state), (self.reseller, "assigned", "active"))
        owners = self.did.assignment_ids.sorted("id")
        self.assertEqual([each.account_id for each in owners], [self.reseller, self.reseller_customer, self.reseller])
        self.assertEqual([bool(each.date_end) for each in owners], [True, True, False])
        self.assertEqual(owners[-1].subscription_id, own)
        own._terminate(self.reason)
        self.assertEqual(self.did.state, "quarantine")

    @freeze_time("2024-01-01 10:00:00")
    def test_reseller_with_his_own_order_pays_once(self):
        own = self.subscribe(self.reseller, self.number, did_id=self.did.id)
        retail = self.sell(self.reseller_customer, (self.number, {"astpp_did_id": self.did.id}))
        self.assertEqual((retail.account_id, retail.wholesale_id), (self.reseller_customer, own.browse()))
        with freeze_time("2024-02-01 10:00:00"):
            self.renew()
            self.assertEqual((self.charges(self.reseller), self.charges(self.reseller_customer)), ([30, 30], [30, 30]))
            retail._terminate(self.reason)
            self.assertEqual((own.state, self.did.account_id), ("active", self.reseller), "his own order goes on")

    @freeze_time("2024-01-01 10:00:00")
    def test_reseller_ends_his_own_order(self):
        """The customer keeps the number; the reseller goes on paying for it as a level, from the first unpaid day."""
        own = self.subscribe(self.reseller, self.number, did_id=self.did.id)
        [retail] = self.sell(self.reseller_customer, (self.number, {"astpp_did_id": self.did.id}))
        with freeze_time("2024-01-15 10:00:00"):
            own._terminate(self.reason)
            self.assertEqual((own.state, self.did.account_id), ("terminated", self.reseller_customer))
            wholesale = retail.wholesale_id
            self.assertEqual((wholesale.account_id, wholesale.state), (self.reseller, "active"))
            self.assertEqual(wholesale.next_date, datetime(2024, 2, 1))
            self.renew()
            self.assertEqual(self.charges(self.reseller), [30], "January is paid")
        with freeze_time("2024-02-01 10:00:00"):
            self.renew()
            self.assertEqual(self.charges(self.reseller), [30, 30])
            retail._terminate(self.reason)
        self.assertEqual((wholesale.state, self.did.state), ("terminated", "quarantine"), "to the pool")

    @freeze_time("2024-01-01 10:00:00")
    def test_reseller_ends_his_own_order_and_gets_the_rest_back(self):
        self.number.astpp_refund_unused = True
        own = self.subscribe(self.reseller, self.number, did_id=self.did.id)
        self.sell(self.reseller_customer, (self.number, {"astpp_did_id": self.did.id}))
        with freeze_time("2024-01-16 10:00:00"):
            own._terminate(self.reason)
            self.renew()
        self.assertEqual([round(amount, 2) for amount in self.charges(self.reseller)], [30, -14.52])
        with freeze_time("2024-01-17 10:00:00"):
            self.renew()
        self.assertEqual(
            [round(amount, 2) for amount in self.charges(self.reseller)],
            [30, -14.52, 14.52],
            "as a level he pays for the rest of the period, from the day after his last one",
        )

    @freeze_time("2024-01-01 10:00:00")
    def test_levels_above_a_reseller_who_ends_his_own_order(self):
        """Upper levels go on paying for the reseller as before, but nobody pays for a closed reseller."""
        upper = self.make_account("Upper Reseller", account_type="reseller")
        self.reseller.parent_id = upper
        orders = self.sell(self.reseller, (self.number, {"astpp_did_id": self.did.id}))
        own, above = self.of(orders, self.reseller), self.of(orders, upper)
        [retail] = self.sell(self.reseller_customer, (self.number, {"astpp_did_id": self.did.id}))
        own._terminate(self.reason)
        level = retail.wholesale_id
        self.assertEqual((own.state, level.account_id, level.wholesale_id), ("terminated", self.reseller, above))
        with freeze_time("2024-02-01 10:00:00"):
            self.renew()
            self.assertEqual([self.charges(each) for each in (upper, self.reseller)], [[30, 30], [30, 30]])
            retail._terminate(self.reason)
        self.assertEqual([each.state for each in (above, level)], ["terminated", "terminated"])
        self.did.quarantine_until = False
        own = self.subscribe(self.reseller, self.number, did_id=self.did.id)
        retail = self.subscribe(self.reseller_customer, self.number, did_id=self.did.id)
        self.reseller.status = "closed"
        own._terminate(self.reason)
        self.assertEqual((retail.state, retail.wholesale_id), ("active", own.browse()))

    @freeze_time("2024-01-01 10:00:00")
    def test_levels_below_a_reseller_who_holds_it(self):
        """The upper reseller charges the lower one, and gets the number back in the end because it holds it."""
        lower = self.make_account("Lower Reseller", account_type="reseller", parent_id=self.reseller.id)
        customer = self.make_account("Customer Below", parent_id=lower.id)
        own = self.subscribe(self.reseller, self.number, did_id=self.did.id)
        orders = self.sell(customer, (self.number, {"astpp_did_id": self.did.id}))
        self.assertEqual(orders.account_id, customer | lower)
        self.of(orders, customer)._terminate(self.reason)
        self.assertEqual(set(orders.mapped("state")), {"terminated"})
        self.assertEqual((own.state, self.did.account_id), ("active", self.reseller))

    @freeze_time("2024-01-01 10:00:00")
    def test_number_stays_while_another_order_pays_for_it(self):
        """ASTPP may have two orders of one customer for one number: ending one of them keeps the number."""
        first = self.subscribe(self.customer, self.number, did_id=self.did.id)
        second = first.copy({"did_id": self.did.id})
        second.write({"state": "active", "start_date": first.start_date, "next_date": first.next_date})
        first._terminate(self.reason)
        self.assertEqual(self.did.account_id, self.customer)
        running = self.did.assignment_ids.filtered(lambda each: not each.date_end)
        self.assertEqual(running.subscription_id, second)
        second._terminate(self.reason)
        self.assertFalse(self.did.account_id)

    @freeze_time("2024-01-01 10:00:00")
    def test_holder_follows_the_owner(self):
        [order, *_levels] = self.sell(self.reseller_customer, (self.number, {"astpp_did_id": self.did.id}))
        self.assertEqual(self.did.reseller_id, self.reseller)
        self.of(order | self.env["astpp.subscription"].union(*_levels), self.reseller_customer)._terminate(self.reason)
        self.assertFalse(self.did.reseller_id)
        self.did.quarantine_until = False
        self.did.reseller_id = self.reseller
        order = self.subscribe(self.reseller_customer, self.number, did_id=self.did.id)
        order._terminate(self.reason)
        self.assertEqual(self.did.reseller_id, self.reseller, "held by the inventory, not by an order")

    @freeze_time("2024-01-01 10:00:00")
    def test_ending_a_draft_releases_no_number(self):
        order = self.subscribe(self.customer, self.number, did_id=self.did.id)
        draft = order.copy({"did_id": self.did.id})
        draft._terminate(self.reason)
        self.assertEqual(self.did.account_id, self.customer)

    @freeze_time("2024-01-01 10:00:00")
    def test_pickers_offer_what_a_reseller_holds(self):
        """The number is offered both in an order's form and on a sale order line."""
        self.subscribe(self.reseller, self.number, did_id=self.did.id)
        for model, path in (
            ("astpp.subscription", "//field[@name='did_id']"),
            ("sale.order", "//field[@name='astpp_did_id']"),
        ):
            arch = etree.fromstring(self.env[model].get_view(view_type="form")["arch"])
            domain = arch.xpath(path)[0].get("domain")
            for account, offered in ((self.reseller_customer, True), (self.customer, False), (None, False)):
                account_id = account.id if account else False
                values = {"account_id": account_id, "parent": SimpleNamespace(astpp_account_id=account_id)}
                found = self.env["astpp.did"].search(eval(domain, values))
                with self.subTest(model=model, account=account):
                    self.assertEqual(self.did in found, offered)


@tagged("post_install", "-at_install")
class TestDidLevelsInAstpp(SyncCommon):
    """ASTPP has separate columns for the reseller who holds a number and the customer who owns it."""

    def setUp(self):
        super().setUp()
        self.mariadb.make_user(*WRITER, *GRANTS)
        self.mariadb.insert("dids", {"id": 1, "number": "442030001", "product_id": 11})
        self.server.sync_from = "2024-03-01 00:00:00"
        self.server.write({"user": WRITER[0], "password": WRITER[1], "write_did": True})
        self.sync()
        self.did = self.env["astpp.did"].search([("server_id", "=", self.server.id)])
        self.product = self.env.ref("astpp_billing.product_did")
        self.reason = self.env.ref("astpp_billing.close_reason_request")

    def order(self, account_id):
        order = self.env["astpp.subscription"].create(
            {
                "account_id": self.account(account_id).id,
                "product_id": self.product.id,
                "did_id": self.did.id,
                "price": 2,
            }
        )
        order.action_start()
        return order

    def assertInAstpp(self, customer, reseller, owner):
        """Both sides agree after waiting changes are written, and after another synchronisation."""
        outbox = self.env["astpp.outbox"].sudo()
        while entries := outbox._next_entries(self.server):
            for entry in entries:
                self.assertTrue(entry._apply(), entry.message)
        [row] = self.mariadb.execute("SELECT accountid, parent_id FROM dids")
        self.assertEqual(tuple(map(int, row)), (customer, reseller))
        self.sync()
        self.sync()
        self.assertEqual(self.did.account_id, self.account(owner) if owner else self.did.account_id.browse())
        running = self.did.assignment_ids.filtered(lambda assignment: not assignment.date_end)
        self.assertEqual(running.account_id, self.did.account_id)
        self.server.action_compare_outbox()
        differences = self.env["astpp.outbox.difference"].search([("server_id", "=", self.server.id)])
        self.assertFalse(differences.filtered(lambda difference: difference.kind == "did"))

    def test_down_and_back(self):
        own = self.order(7)
        self.assertInAstpp(0, 7, owner=7)
        retail = self.order(12)
        self.assertInAstpp(12, 7, owner=12)
        retail._terminate(self.reason)
        self.assertInAstpp(0, 7, owner=7)
        again = self.order(12)
        self.assertInAstpp(12, 7, owner=12)
        again._terminate(self.reason)
        own._terminate(self.reason)
        self.assertInAstpp(0, 0, owner=None)

    def test_two_resellers_hold_it(self):
        upper, lower = self.order(5), self.order(7)
        self.assertInAstpp(0, 7, owner=7)
        retail = self.order(12)
        self.assertInAstpp(12, 7, owner=12)
        lower._terminate(self.reason)
        self.assertInAstpp(12, 7, owner=12)
        retail._terminate(self.reason)
        self.assertInAstpp(0, 5, owner=5)
        upper._terminate(self.reason)
        self.assertInAstpp(0, 0, owner=None)

    def test_reseller_ends_first(self):
        own, retail = self.order(7), self.order(12)
        self.assertInAstpp(12, 7, owner=12)
        own._terminate(self.reason)
        self.assertInAstpp(12, 7, owner=12)
        retail._terminate(self.reason)
        self.assertInAstpp(0, 0, owner=None)

    def test_sold_with_levels(self):
        """The reseller's order exists as a level only; it holds the number in ASTPP as long as the customer has it."""
        order = self.env["sale.order"].sudo().create(
            {
                "partner_id": self.account(12).partner_id.id,
                "astpp_account_id": self.account(12).id,
                "order_line": [(0, 0, {"product_id": self.product.id, "astpp_did_id": self.did.id, "price_unit": 5})],
            }
        )  # fmt: skip
        order.action_confirm()
        self.assertInAstpp(12, 7, owner=12)
        orders = self.env["astpp.subscription"].search([("sale_order_id", "=", order.id)])
        orders.filtered(lambda each: each.account_id == self.account(12))._terminate(self.reason)
        self.assertInAstpp(0, 0, owner=None)

    def test_astpp_takes_it_from_the_reseller(self):
        own, retail = self.order(7), self.order(12)
        self.assertInAstpp(12, 7, owner=12)
        retail._terminate(self.reason)
        self.assertInAstpp(0, 7, owner=7)
        self.mariadb.execute("UPDATE dids SET parent_id = 0, accountid = 13")
        self.sync()
        self.assertEqual(self.did.account_id, self.account(13), "what ASTPP decided since holds")
        self.assertEqual(own.state, "active")
