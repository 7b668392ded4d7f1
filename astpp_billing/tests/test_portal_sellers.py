import json
from unittest.mock import patch

from lxml import html

from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .portal_walk_common import PortalWalkCommon


@tagged("post_install", "-at_install")
class TestPortalSellers(PortalWalkCommon):
    """Who sells to whom, who may change whose data, and what resellers learn about others."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.company.name = "Operator Unlimited"
        cls.env.company.partner_id.street = "Operator Street 1"
        cls.reseller_issuer.partner_id.street = "Reseller Street 2"
        cls.order = cls.env["sale.order"].sudo().create(
            {
                "partner_id": cls.owner.partner_id.id,
                "astpp_account_id": cls.owner.id,
                "user_id": cls.env.user.id,
                "order_line": [(0, 0, {"product_id": cls.make_product(price=5).id})],
            }
        )  # fmt: skip
        cls.order.action_confirm()

    def test_orders_are_issued_by_the_reseller(self):
        """A reseller's customer orders from the reseller: on the page, by the order's link, and on the document."""
        self.sign_in("customer")
        urls = ["/my/orders", f"/my/orders/{self.order.id}", f"/my/orders/{self.order.id}?report_type=html"]
        pages = [self.get(url) for url in urls]
        self.sign_in("nobody")
        pages += [
            self.url_open(self.order.get_portal_url()),
            self.url_open(self.order.get_portal_url(report_type="html")),
        ]
        for page in pages:
            with self.subTest(url=page.url):
                self.assertEqual(page.status_code, 200)
                self.assertIn("Reseller Telecom", page.text)
                text = html.fromstring(page.text).text_content()
                for own in ("Operator Unlimited", "Operator Street 1", self.env.user.name):
                    self.assertNotIn(own, text)
        self.assertIn("Reseller Street 2", pages[2].text)

    def test_orders_of_the_operator_stay_the_operators(self):
        order = self.order.copy({"partner_id": self.stranger.partner_id.id, "astpp_account_id": self.stranger.id})
        page = self.url_open(order.get_portal_url(report_type="html")).text
        self.assertIn("Operator Unlimited", page)

    def test_number_preview_reveals_nothing_of_others(self):
        """The preview reveals neither another reseller's number of invoices nor the operator's."""
        self.sign_in("reseller")
        url = f"/my/reseller/settings/number?issuer_id={self.reseller_issuer.id}&first_number=1&padding=5&prefix="
        self.assertEqual(self.get(url + "RX-").text, self.reseller_issuer.next_number, "his own goes on")
        for name in ("elsewhere", "stranger"):
            move = self.moves[name]
            answers = set()
            for _bill in range(2):
                answers.add(self.get(url + move.astpp_series).text)
                self.load_calls(move.astpp_account_id, "3", callstart="2024-02-15 12:00:00")
                self.bill(move.astpp_account_id, date="2024-03-01", invoice_date="2024-03-01")
            self.assertEqual(answers, {f"{move.astpp_series}00001"})
            if name == "stranger":
                # A different journal, where equal numbers do not clash.
                continue
            before = self.reseller_issuer.prefix
            self.post("/my/reseller/settings", {"issuer_id": str(self.reseller_issuer.id), "prefix": move.astpp_series})
            page = self.get("/my/reseller/settings").text
            self.assertIn('role="alert"', page)
            self.assertEqual(self.reseller_issuer.prefix, before)
            self.assertNotIn(move.name, page)

    def test_an_upper_reseller_cannot_rename_the_lower_one(self):
        """A reseller's name and address appear on the documents for its customers."""
        partner = self.reseller.partner_id
        before = partner.read(["name", "street", "city", "email"])
        self.sign_in("parent")
        url = f"/my/reseller/customers/{self.reseller.id}"
        form = {"name": "Renamed", "street": "Elsewhere", "city": "X", "email": "x@example.com", "billing_day": "9"}
        self.post(f"{url}/save", form)
        self.assertEqual(partner.read(["name", "street", "city", "email"]), before)
        self.assertEqual(self.reseller.billing_day, 9, "what is between the two he may say")
        fields = html.fromstring(self.get(url).text).xpath("//input[@id='contact_name']/@disabled")
        self.assertTrue(fields)
        # Nor through a customer account with the same contact, or with a person of that contact.
        person = self.env["res.partner"].create({"name": "Person", "parent_id": partner.id})
        account = self.make_account(parent_id=self.reseller.id, partner_id=person.id)
        self.post(f"/my/reseller/customers/{account.id}/save", form)
        self.assertEqual(partner.read(["name", "street", "city", "email"]), before)

    def test_closed_resellers_change_nothing(self):
        """Closed resellers may look and download, but change nothing of theirs or of those below."""
        move = self.moves["customer"]
        self.reseller_issuer.payment_journal_id = self.company_data["default_journal_cash"]
        self.load_calls(self.owner, "3")
        self.reseller.status = "closed"
        issuer = {"issuer_id": str(self.reseller_issuer.id)}
        forms = [
            (f"/my/reseller/customers/{self.owner.id}/save", {"name": "Changed", "billing_day": "9"}),
            ("/my/reseller/customers/new", {"number": "NEW1", "name": "New"}),
            ("/my/reseller/billing", {"act": "run"}),
            ("/my/reseller/settings", issuer | {"prefix": "CLOSED-"}),
            *(
                ("/my/reseller/invoices/act", {"act": act, "move_id": str(move.id)})
                for act in ("confirm", "discard", "send")
            ),
            (f"/my/reseller/invoices/{move.id}/pay", {"amount": "1"}),
            (f"/my/reseller/invoices/{move.id}/credit", {"reason": "x"}),
        ]
        self.sign_in("reseller")
        before = self.rows()
        for url, form in forms:
            with self.subTest(url=url, form=form):
                self.assertEqual(self.outcome(self.post(url, form)), "away")
                self.assertIn("account is closed", self.get("/my/reseller").text)
        self.assertFalse(self.changes(before))
        for url in ("/my/reseller", "/my/reseller/customers", "/my/reseller/invoices", "/my/charges.csv?period=all&below=1",
                    "/my/reseller/settings", "/my/reseller/billing", f"/my/reseller/invoices/{move.id}.pdf"):  # fmt: skip
            self.assertEqual(self.get(url).status_code, 200, url)
        # The reseller above still works.
        self.sign_in("parent")
        self.post(*forms[0])
        self.assertEqual(self.owner.partner_id.name, "Changed")

    def pay(self, move, amount):
        """Request a transaction from Odoo's payment route; return the error's name."""
        provider = self.env["payment.provider"].sudo().search([("code", "=", "paypal")], limit=1)
        params = {
            "access_token": move._portal_ensure_token(), "provider_id": provider.id, "token_id": None, "flow": "redirect",
            "payment_method_id": self.env.ref("payment.payment_method_paypal").id, "amount": amount,
            "tokenization_requested": False, "landing_route": "/my",
        }  # fmt: skip
        body = json.dumps({"jsonrpc": "2.0", "method": "call", "params": params})
        with mute_logger("odoo.http"):
            answer = self.opener.post(
                f"{self.base_url()}/invoice/transaction/{move.id}",
                data=body,
                headers={"Content-Type": "application/json"},
            ).json()
        return answer.get("error", {}).get("data", {}).get("name")

    def test_invalid_payment_amounts_are_refused(self):
        """Odoo's route accepts any amount; our invoices accept amounts above zero, up to what is open."""
        move = self.moves["customer"]
        transactions = self.env["payment.transaction"].sudo()
        self.sign_in("customer")
        with patch.object(type(transactions), "_get_processing_values", lambda _transaction: {}):
            for amount in (0, -5, 1e300, move.amount_residual + 0.01, float("nan"), float("inf"), "x"):
                with self.subTest(amount=amount):
                    self.assertTrue(self.pay(move, amount))
                    self.assertFalse(transactions.search_count([("invoice_ids", "in", move.ids)]))
            for amount in (move.amount_residual, 1):
                self.assertFalse(self.pay(move, amount))
        self.assertEqual(transactions.search_count([("invoice_ids", "in", move.ids)]), 2)

    def test_payments_of_several_invoices(self):
        moves = self.moves["customer"] | self.moves["grandchild"]
        provider = self.env["payment.provider"].sudo().search([("code", "=", "paypal")], limit=1)
        values = {
            "provider_id": provider.id, "payment_method_id": self.env.ref("payment.payment_method_paypal").id,
            "currency_id": moves.currency_id.id, "partner_id": self.owner.partner_id.id,
            "invoice_ids": [(6, 0, moves.ids)], "operation": "online_redirect",
        }  # fmt: skip
        total = sum(moves.mapped("amount_residual"))
        with self.assertRaises(ValidationError), self.cr.savepoint():
            self.env["payment.transaction"].sudo().create(values | {"amount": total + 1, "reference": "S1"})
        self.env["payment.transaction"].sudo().create(values | {"amount": total, "reference": "S2"})
