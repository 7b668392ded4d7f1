from decimal import Decimal
from secrets import token_hex
from types import SimpleNamespace
from unittest.mock import patch

from odoo import http
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tests.common import BaseCase

from ..controllers.form_text import number_of
from .common import AstppCommon

ENGLISH = SimpleNamespace(decimal_point=".", thousands_sep=",", grouping="[3,0]")
GERMAN = SimpleNamespace(decimal_point=",", thousands_sep=".", grouping="[3,0]")
FRENCH = SimpleNamespace(decimal_point=",", thousands_sep="\u202f", grouping="[3,0]")
SWISS = SimpleNamespace(decimal_point=".", thousands_sep="’", grouping="[3,0]")
HINDI = SimpleNamespace(decimal_point=".", thousands_sep=",", grouping="[3,2,0]")
PLAIN = SimpleNamespace(decimal_point=",", thousands_sep=False, grouping="[]")


class TestAmountsTyped(BaseCase):
    """Amounts are read as the user's language writes them; ambiguous ones are refused."""

    def test_thousand_or_one(self):
        self.assertEqual(number_of("1,000", ENGLISH), Decimal(1000))
        self.assertEqual(number_of("1,000", GERMAN), Decimal(1))
        self.assertEqual(number_of("1.000", GERMAN), Decimal(1000))
        self.assertEqual(number_of(" 1.234,50 ", GERMAN), Decimal("1234.50"))
        self.assertEqual(number_of("1\u00a0234,50", FRENCH), Decimal("1234.50"))
        self.assertEqual(number_of("1 234,50", FRENCH), Decimal("1234.50"))
        self.assertEqual(number_of("1'234.50", SWISS), Decimal("1234.50"))
        self.assertEqual(number_of("10,00,000", HINDI), Decimal(1000000))
        self.assertEqual(number_of("1234,5", PLAIN), Decimal("1234.5"))
        self.assertEqual(number_of("0.1", ENGLISH), Decimal("0.1"), "exactly")

    def test_malformed_or_ambiguous(self):
        wrong = ("", " ", "x", "1_0", "1.2.3", "1e5", "١", "１", "nan", "inf", "0x10", "1,0", "10,00", "1,0000", ",1", "1,",
                 "0,100", "1,000,00", "1.", "--1", "+1", "1 000", "$ 1", "1.000,5", "9" * 13, "1" + " " * 99 + "x")  # fmt: skip
        for text in wrong:
            self.assertIsNone(number_of(text, ENGLISH), text)
        for text in ("10.50", "1.5", "1.2.3", "1,000.00", "1'000"):
            self.assertIsNone(number_of(text, GERMAN), text)
        self.assertIsNone(number_of("1.000", PLAIN))


@tagged("post_install", "-at_install")
class TestPortalAmounts(AstppCommon, HttpCase):
    """What resellers and customers type is registered as they mean it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.euro = cls.setup_other_currency("EUR", rates=[("1900-01-01", 2.0)])
        for name, account in (("seller", cls.reseller), ("buyer", cls.customer)):
            user = new_test_user(cls.env, login=f"am.{name}", password=f"am.{name}xx", groups="base.group_portal")
            user.partner_id.parent_id = account.partner_id
        cls.env["res.lang"]._activate_lang("de_DE")
        cls.call_product.taxes_id = False
        cls.load_calls(cls.reseller_customer, "3000")
        cls.move = cls.bill(cls, cls.reseller_customer).move_ids
        cls.journal = cls.env["account.journal"].create(
            {"name": "Received by Resellers", "type": "bank", "code": "RECV", "currency_id": cls.euro.id}
        )
        cls.reseller_issuer.payment_journal_id = cls.journal

    def login(self, name, code="en_US"):
        self.env["res.users"].search([("login", "=", f"am.{name}")]).lang = code
        self.authenticate(f"am.{name}", f"am.{name}xx")

    def pay(self, amount, move=None):
        url = f"/my/reseller/invoices/{(move or self.move).id}/pay"
        return self.url_open(
            url, data={"csrf_token": http.Request.csrf_token(self), "once": token_hex(16), "amount": amount}
        ).text

    def test_payment_in_a_journal_of_another_currency(self):
        self.login("seller")
        self.pay("10.00")
        payment = self.move._get_reconciled_payments()
        self.assertEqual((payment.amount, payment.currency_id), (10, self.move.currency_id))
        self.assertEqual((self.move.amount_residual, self.move.payment_state), (2990, "partial"))
        self.pay("2,990.00")
        self.assertEqual(self.move.amount_residual, 0)
        received = self.move._get_reconciled_payments().move_id.line_ids.filtered("debit")
        self.assertEqual(sum(received.mapped("balance")), 3000)

    def test_payment_into_an_account_of_another_currency(self):
        """If the journal's account takes euros only, the payment is ten dollars converted to euros."""
        account = self.env["account.account"].create(
            {"name": "Euros", "code": "ASTPP212", "account_type": "asset_current", "currency_id": self.euro.id}
        )
        account.reconcile = True
        self.journal.inbound_payment_method_line_ids.payment_account_id = account
        self.login("seller")
        self.pay("10.00")
        payment = self.move._get_reconciled_payments()
        self.assertEqual((payment.amount, payment.currency_id), (20, self.euro))
        self.assertEqual(self.move.amount_residual, 2990)
        self.pay("2990.00")
        self.assertIn(self.move.payment_state, ("paid", "in_payment"))

    def test_invoice_in_another_currency(self):
        account = self.make_account(parent_id=self.reseller.id, currency_id=self.euro.id)
        self.load_calls(account, "100")
        move = self.bill(account).move_ids
        self.assertEqual((move.currency_id, move.amount_total), (self.euro, 200))
        self.reseller_issuer.payment_journal_id = self.company_data["default_journal_cash"]
        self.login("seller")
        self.pay("50", move)
        self.assertEqual(move._get_reconciled_payments().currency_id, self.euro)
        self.assertEqual(move.amount_residual, 150)

    def test_thousands_follow_the_resellers_language(self):
        self.login("seller")
        self.pay("1,000")
        self.assertEqual(self.move.amount_residual, 2000)
        self.login("seller", "de_DE")
        self.pay("1,000")
        self.assertEqual(self.move.amount_residual, 1999)
        page = self.pay("1.000")
        self.assertEqual(self.move.amount_residual, 999)
        self.assertIn('value="999,00"', page, "the field is filled as the language writes it")

    def test_malformed_amount_is_refused_with_an_example(self):
        self.login("seller")
        for amount in ("1_0", "1.2.3", "1e2", "١", "1,0", "x"):
            self.assertIn("Write it such as 1,234.50", self.pay(amount), amount)
        self.login("seller", "de_DE")
        self.assertIn("1.234,50", self.pay("10.50"))
        self.assertEqual(self.move.amount_residual, 3000)

    def test_part_and_top_up_are_read_alike(self):
        self.load_calls(self.customer, "3000")
        move = self.bill(self.customer).move_ids
        prepaid = self.make_account(payment_mode="prepaid", partner_id=self.customer.partner_id.id)

        def part(amount):
            with self.subTest(amount=amount):
                return self.url_open(f"/my/invoices/{move.id}/part", params={"part": amount})

        def top_up(amount):
            data = {
                "csrf_token": http.Request.csrf_token(self),
                "once": token_hex(16),
                "account_id": prepaid.id,
                "amount": amount,
            }
            return self.url_open("/my/topup", data=data)

        # Whether the invoice can be paid online does not matter here.
        with patch.object(type(move), "_has_to_be_paid", lambda _move: True):
            self.login("buyer")
            self.assertIn("amount=1000.0&", part("1,000").url)
            refused = part("1_0")
            self.assertNotIn("amount=", refused.url)
            self.assertIn("Write it such as 1,234.50", refused.text)
            self.assertNotIn("Write it such as", self.url_open(move.get_portal_url()).text, "said once")
            self.login("buyer", "de_DE")
            self.assertIn("amount=1.0&", part("1,000").url)
        self.assertIn("1.234,50", top_up("10.50").text)
        self.assertFalse(self.topups(prepaid))
        top_up("1.000")
        self.assertEqual(self.topups(prepaid).mapped("amount"), [1000])

    def topups(self, account):
        return self.env["astpp.topup"].search([("account_id", "=", account.id)])

    def test_search_for_amounts(self):
        self.load_calls(self.customer, "1.5")
        self.login("buyer")
        page = self.url_open("/my/charges?period=all&search_in=amount&search=1,2").text
        self.assertIn("Write it such as 1,234.50", page)
        self.assertIn("442012345678", self.url_open("/my/charges?period=all&search_in=amount&search=1.2").text)
        self.login("buyer", "de_DE")
        self.assertIn("442012345678", self.url_open("/my/charges?period=all&search_in=amount&search=1,2").text)
