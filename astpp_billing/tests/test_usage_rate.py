from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestUsageRate(AstppCommon):
    """Usage is converted at the rate of the invoice date, each line at its own server's rate."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.call_product.taxes_id = False
        cls.euro = cls.setup_other_currency("EUR", rates=[("2024-01-01", 0.5), ("2024-02-20", 0.25)])

    def kinds(self):
        self.env["astpp.violation"]._check()
        return sorted(self.env["astpp.violation"].search([]).mapped("kind"))

    def draft(self, *amounts, **values):
        account = self.make_account(currency_id=self.euro.id)
        self.load_calls(account, *amounts)
        return self.bill(account, mode="draft", **values).move_ids

    def test_draft_confirmed_at_another_date(self):
        move = self.draft("100")
        self.assertEqual((move.amount_untaxed, move.invoice_line_ids.astpp_usage_rate), (50, 0.5))
        move.invoice_date = "2024-02-25"
        self.assertEqual((move.amount_untaxed, move.astpp_rate), (25, 0.25))
        move.action_post()
        self.assertEqual(move.amount_untaxed, 25)
        self.assertFalse(self.kinds())

    def test_rate_that_came_after_the_draft(self):
        move = self.draft("100")
        self.euro.rate_ids.filtered(lambda rate: str(rate.name) == "2024-01-01").rate = 0.4
        move.action_post()
        self.assertEqual(move.amount_untaxed, 40)
        self.euro.rate_ids.filtered(lambda rate: str(rate.name) == "2024-01-01").rate = 0.3
        move.button_draft()
        move.action_post()
        self.assertEqual(move.amount_untaxed, 40, "the customer has this amount under this number")
        self.assertFalse(self.kinds())

    def test_changed_by_hand_stays(self):
        move = self.draft("100")
        move.invoice_line_ids.price_unit = 45
        move.invoice_date = "2024-02-25"
        move.action_post()
        self.assertEqual(move.amount_untaxed, 45)
        self.assertEqual(self.kinds(), ["other_amount"])

    def test_currency_changed_on_a_draft(self):
        move = self.draft("100")
        move.currency_id = self.env.company.currency_id
        self.assertEqual((move.amount_untaxed, move.invoice_line_ids.astpp_usage_rate), (100, 1))
        move.action_post()
        self.assertFalse(self.kinds())

    def test_no_rate_on_the_new_date(self):
        move = self.draft("100")
        with self.assertRaisesRegex(UserError, "no rate of EUR"):
            move.invoice_date = "2020-01-01"

    def test_two_servers_on_one_invoice(self):
        other = self.env["astpp.server"].create(
            {"name": "Euro Switch", "currency_id": self.euro.id, "call_product_id": self.call_product.id}
        )
        first = self.make_account("Both")
        first.partner_id.astpp_one_invoice = True
        second = self.make_account(server_id=other.id, currency_id=first.currency_id.id, partner_id=first.partner_id.id)
        for account in (first, second):
            self.env["astpp.usage"].create({"account_id": account.id, "amount": 10, "date": "2024-01-15"})
        move = self.bill(first, second).move_ids
        self.assertEqual(sorted(move.invoice_line_ids.mapped("price_unit")), [10, 20])
        self.assertEqual(sorted(move.invoice_line_ids.mapped("astpp_usage_rate")), [1, 2])
        self.assertFalse(self.kinds())

    def test_discount_by_hand_is_found(self):
        move = self.draft("100")
        move.invoice_line_ids.discount = 10
        self.assertEqual(self.kinds(), ["other_amount"])
        violation = self.env["astpp.violation"].search([])
        self.assertEqual((violation.expected, violation.found), (50, 45))
