from datetime import timedelta
from secrets import token_hex

from lxml import html

from odoo import fields
from odoo.tests import tagged

from .portal_walk_common import PortalWalkCommon


@tagged("post_install", "-at_install")
class TestPortalOrders(PortalWalkCommon):
    """Orders are covered by funds, confirmed if large, and processed once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.owner._astpp_own().write({"payment_mode": "prepaid", "available_funds": 0})
        cls.package = cls.make_product("package", price=25, setup_fee=5, astpp_can_purchase=True, astpp_can_resell=True)
        cls.form = {"account_id": str(cls.owner.id), "product_id": str(cls.package.id), "quantity": "1"}

    def order(self, **values):
        return self.post("/my/services/order", self.form | values)

    def confirm(self, response):
        """Press the button of the page that asks for confirmation."""
        form = html.fromstring(response.text).xpath("//form[@name='astpp_confirm_order']")[0]
        return self.post("/my/services/order", dict(form.form_values()))

    def ordered(self):
        return sum(self.owner.subscription_ids.mapped("quantity"))

    def test_order_is_covered_by_funds(self):
        self.sign_in("customer")
        self.confirm(self.order(quantity="999"))
        self.assertEqual(self.ordered(), 0)
        self.assertIn("funds do not cover this", self.get("/my/services").text)
        self.owner._astpp_own().available_funds = 59.99
        for _time in range(3):
            self.order()
        self.assertEqual(self.ordered(), 1, "30 each, the setup fee among it, and what was ordered is gone")
        self.env["sale.order"].search([("astpp_account_id", "=", self.owner.id)]).sudo()
        self.assertEqual(self.env["sale.order"].sudo().search_count([("astpp_account_id", "=", self.owner.id)]), 1)

    def test_order_is_covered_by_credit_limit(self):
        self.owner.write({"payment_mode": "postpaid", "credit_limit": 0})
        self.sign_in("customer")
        self.order()
        self.assertEqual(self.ordered(), 0)
        self.assertIn("credit limit does not cover this", self.get("/my/services").text)
        owed = self.moves["customer"].amount_residual + self.owner.unbilled_amount
        self.owner.credit_limit = owed + 59.99
        for _time in range(3):
            self.order()
        self.assertEqual(self.ordered(), 1)
        # If the server is synchronised, ASTPP reports what is left.
        self.server.host = "127.0.0.1"
        self.owner._astpp_own().available_funds = 60
        self.order()
        self.assertEqual(self.ordered(), 2)

    def test_large_order_needs_confirmation(self):
        self.owner._astpp_own().available_funds = 1000
        self.sign_in("customer")
        page = self.order(quantity="4")
        self.assertEqual((page.status_code, self.ordered()), (200, 0))
        self.assertIn("120.00", page.text)
        self.assertEqual(self.order(quantity="4", confirmed="30").status_code, 200, "not what was seen")
        self.package.list_price = 35
        dearer = self.confirm(page)
        self.assertEqual((dearer.status_code, self.ordered()), (200, 0), "the price has changed since")
        self.assertIn("160.00", dearer.text)
        self.assertEqual(self.outcome(self.confirm(dearer)), "away")
        self.assertEqual(self.ordered(), 4)
        self.env["ir.config_parameter"].set_param("astpp_billing.confirm_order_above", "1000")
        self.order(quantity="4")
        self.assertEqual(self.ordered(), 8)

    def test_a_form_sent_twice_is_processed_once(self):
        """Orders, top-ups, received payments, requests for credit notes, new customers, billing."""
        self.owner._astpp_own().available_funds = 1000
        move = self.moves["customer"]
        self.reseller_issuer.payment_journal_id = self.company_data["default_journal_cash"]
        self.load_calls(self.owner, "3")
        twice = [
            ("customer", "/my/services/order", self.form, self.ordered),
            ("customer", "/my/topup", {"account_id": str(self.owner.id), "amount": "5"},
             lambda: self.env["astpp.topup"].search_count([])),
            ("reseller", f"/my/reseller/invoices/{move.id}/pay", {"amount": "1"},
             lambda: len(move._get_reconciled_payments())),
            ("reseller", f"/my/reseller/invoices/{move.id}/credit", {"reason": "x"}, lambda: len(move.activity_ids)),
            ("reseller", "/my/reseller/customers/new", {"number": "ONCE1", "name": "Once"},
             lambda: self.env["astpp.account"].search_count([("portal_number", "=", "ONCE1")])),
            ("reseller", "/my/reseller/billing", {"act": "run"},
             lambda: self.env["astpp.billing.run"].search_count([("create_uid.login", "=", "walk.reseller")])),
        ]  # fmt: skip
        for actor, url, form, count in twice:
            with self.subTest(url=url):
                self.sign_in(actor)
                before, once = count(), token_hex(16)
                first, second = [self.post(url, form | {"once": once}) for _time in range(2)]
                self.assertEqual(count(), before + 1)
                self.assertEqual(self.outcome(second), "away")
                if url == "/my/topup":
                    self.assertEqual(first.headers["Location"], second.headers["Location"])
                for token in ("", "x", "0" * 31, "0" * 33, "A" * 32):
                    self.post(url, form | {"once": token})
                self.assertEqual(count(), before + 1, "a page of before, or none at all")

    def test_a_failed_form_can_be_sent_again(self):
        self.sign_in("customer")
        once = token_hex(16)
        self.order(once=once)
        self.owner._astpp_own().available_funds = 30
        self.order(once=once)
        self.assertEqual(self.ordered(), 1)

    def test_every_form_has_its_own_token(self):
        self.owner._astpp_own().available_funds = 1000
        self.reseller_issuer.payment_journal_id = self.company_data["default_journal_cash"]
        for actor, url, least in (("customer", "/my/services", 2), ("reseller", "/my/reseller/invoices", 2)):
            self.sign_in(actor)
            tokens = html.fromstring(self.get(url).text).xpath("//input[@name='once']/@value")
            self.assertGreaterEqual(len(tokens), least)
            self.assertEqual(len(set(tokens)), len(tokens))

    def test_closed_customers_change_nothing(self):
        subscription = self.subscribe(self.owner, self.package)
        coupon = self.env["astpp.coupon"]._generate(
            1, 12, {"server_id": self.server.id, "amount": 5, "currency_id": self.server.currency_id.id, "batch": "B"}
        )
        self.owner._astpp_own().write({"status": "closed", "available_funds": 1000})
        self.sign_in("customer")
        before = self.rows()
        account = {"account_id": str(self.owner.id)}
        for url, form in (
            ("/my/services/order", self.form),
            ("/my/topup", account | {"amount": "5"}),
            ("/my/coupon", account | {"number": coupon.number}),
            ("/my/services/preferences", account | {"billing_day": "9"}),
        ):
            with self.subTest(url=url):
                self.assertEqual(self.outcome(self.post(url, form)), "away")
                self.assertIn("account is closed", self.get("/my/services").text)
        self.assertEqual(subscription.state, "terminated", "its orders have ended with the account")
        for url, form in (
            (f"/my/services/{subscription.id}/end", {}),
            (f"/my/services/{subscription.id}/change", {"product_id": str(self.package.id)}),
        ):
            self.assertEqual(self.outcome(self.post(url, form)), 404)
        changes = self.changes(before)
        changes.pop("astpp_portal_act", None)
        self.assertFalse(changes)
        self.assertEqual((coupon.state, self.owner.coupon_guesses), ("unused", 0))
        for url in (
            "/my/charges?period=all",
            "/my/charges.csv?period=all",
            f"/my/invoices/{self.moves['customer'].id}",
        ):
            self.assertEqual(self.get(url).status_code, 200, url)

    def test_a_coupon_for_a_closed_account_is_not_used_up(self):
        """Neither the customer nor the back office can redeem a coupon for it."""
        coupon = self.env["astpp.coupon"]._generate(
            1, 12, {"server_id": self.server.id, "amount": 5, "currency_id": self.server.currency_id.id, "batch": "B"}
        )
        self.owner.status = "closed"
        with self.assertRaisesRegex(Exception, "is closed"):
            self.env["astpp.coupon"]._redeem(coupon.number, self.owner)
        self.assertEqual(coupon.state, "unused")

    def test_hourly_limits(self):
        """Mails, requests for credit notes, documents, files and new customers have hourly limits per user."""
        parameters, move = self.env["ir.config_parameter"], self.moves["customer"]
        for kind in ("send", "credit_request", "pdf", "export", "customer"):
            parameters.set_param(f"astpp_billing.limit_{kind}", "2")
        acts = [
            lambda: self.get("/my/charges.csv?period=all&below=1"),
            lambda: self.get(f"/my/reseller/invoices/{move.id}.pdf"),
        ]
        self.sign_in("reseller")
        for act in acts:
            self.assertEqual([act().status_code for _time in range(3)], [200, 200, 429])
            answer = act()
            self.assertIn("Try again in 60 minutes", answer.text)
            self.assertTrue(answer.headers["Retry-After"])
        forms = [
            ("/my/reseller/invoices/act", {"act": "send", "move_id": str(move.id)}, "/my/reseller/invoices"),
            ("/my/reseller/invoices/act", {"act": "zip", "move_id": str(move.id)}, "/my/reseller/invoices"),
            (f"/my/reseller/invoices/{move.id}/credit", {"reason": "x"}, "/my/reseller/invoices"),
            ("/my/reseller/customers/new", {"number": "L{}", "name": "x"}, "/my/reseller/customers"),
        ]
        for url, form, page in forms:
            with self.subTest(url=url, form=form):
                for number in range(3):
                    self.post(url, {name: value.format(number) for name, value in form.items()})
                self.assertIn("Try again in", self.get(page).text)
        self.assertEqual(len(move.activity_ids), 2)
        # Other users have limits of their own, and the user can go on an hour later.
        self.sign_in("customer")
        self.assertEqual(self.get("/my/charges.csv?period=all").status_code, 200)
        self.env.cr.execute(
            "UPDATE astpp_portal_act SET create_date = %s", [fields.Datetime.now() - timedelta(minutes=61)]
        )
        self.sign_in("reseller")
        self.assertEqual(acts[0]().status_code, 200)

    def test_old_acts_are_deleted(self):
        self.sign_in("customer")
        self.get("/my/charges.csv?period=all")
        acts = self.env["astpp.portal.act"]
        self.env.cr.execute("UPDATE astpp_portal_act SET create_date = create_date - interval '8 days'")
        self.get("/my/charges.csv?period=all")
        acts._gc_acts()
        self.assertEqual(acts.search_count([]), 1)

    def test_hourly_limit_of_an_invoices_link(self):
        """Anonymous visitors with an invoice's link share one limit per invoice, which affects no other invoice."""
        self.env["ir.config_parameter"].set_param("astpp_billing.limit_pdf", "2")
        self.sign_in("nobody")
        urls = [self.moves[name].get_portal_url(report_type="pdf") for name in ("customer", "stranger")]
        self.assertEqual([self.get(urls[0]).status_code for _time in range(3)], [200, 200, 429])
        self.assertEqual(self.get(urls[1]).status_code, 200)
