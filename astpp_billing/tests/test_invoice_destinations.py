from odoo.tests import tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestInvoiceDestinations(AstppCommon):
    """Calls by destination add up to the invoice's lines, and each row is as exact as rounding allows."""

    def taxed(self, **values):
        """Bill calls with a tax of 20 % that is included in the price."""
        tax = self.env["account.tax"].create(
            {"name": "Included", "amount": 20, "price_include_override": "tax_included"} | values
        )
        self.call_product.taxes_id = tax

    def invoice(self, calls, **values):
        self.load(*(self.row(self.customer, debit=debit, notes=notes, **values) for notes, debit in calls))
        return self.bill(self.customer).move_ids

    def amounts(self, move):
        return {row["destination"]: row["amount"] for row in move._astpp_destinations()}

    def assertAddsUp(self, move, total):
        amounts = self.amounts(move)
        self.assertEqual(move.currency_id.round(sum(amounts.values())), move.currency_id.round(total))
        return amounts

    def test_tax_in_the_price_is_spread_over_all_rows(self):
        self.taxed()
        move = self.invoice([("Spain", 10), ("France", 20), ("Italy", 10)])
        self.assertEqual(move.amount_untaxed, 33.33)
        amounts = self.assertAddsUp(move, 33.33)
        self.assertEqual(amounts["France"], 16.67)
        self.assertEqual({amounts["Spain"], amounts["Italy"]}, {8.33})

    def test_equal_rows_are_equal(self):
        self.taxed()
        move = self.invoice([(f"Land {n:02d}", 0.5) for n in range(12)])
        amounts = self.assertAddsUp(move, 5)
        self.assertLessEqual(max(amounts.values()) - min(amounts.values()), 0.0101)

    def test_prices_include_taxes_if_the_lines_do(self):
        """A company that prints prices with taxes also prints calls that way."""
        self.env.company.account_price_include = "tax_included"
        self.taxed(price_include_override="tax_excluded")
        move = self.invoice([("Spain", 10), ("France", 20)])
        self.assertEqual(move.invoice_line_ids.price_total, 36)
        self.assertEqual(self.assertAddsUp(move, 36), {"France": 24, "Spain": 12})
        self.assertEqual(move._astpp_shown(move.invoice_line_ids), 36)

    def test_each_line_has_its_own_taxes(self):
        """Lines with and without an included tax: a destination's sum takes each at its own base."""
        self.call_product.taxes_id = False
        move = self.invoice([("Spain", 12), ("France", 6)])
        move.button_draft()
        self.taxed()
        move.invoice_line_ids.tax_ids = self.call_product.taxes_id
        self.assertEqual(self.assertAddsUp(move, 15), {"Spain": 10, "France": 5})

    def credit(self, **amounts):
        """Load calls, some of them with a negative amount, as corrections have."""
        self.load(*(self.row(self.customer, debit=abs(amount), notes=notes) for notes, amount in amounts.items()))
        for line in self.env["astpp.usage"].sudo().search([("account_id", "=", self.customer.id)]):
            line.amount = amounts[line.destination]
        return self.bill(self.customer).move_ids

    def test_credits_among_calls(self):
        self.taxed()
        move = self.credit(Spain=12, France=-2.4)
        self.assertEqual(move.amount_untaxed, 8)
        self.assertEqual(self.assertAddsUp(move, 8), {"Spain": 10, "France": -2})

    def test_charges_and_credits_that_cancel(self):
        self.call_product.taxes_id = False
        move = self.credit(Spain=10, France=-9.996)
        self.assertEqual(self.assertAddsUp(move, 0), {"Spain": 10, "France": -10})

    def test_credit_note_is_positive(self):
        self.call_product.taxes_id = False
        move = self.credit(Spain=-1, France=-2, Italy=0.5)
        self.assertEqual(move.move_type, "out_refund")
        self.assertEqual(self.assertAddsUp(move, 2.5), {"Spain": 1, "France": 2, "Italy": -0.5})

    def test_split_by_largest_remainder(self):
        move = self.invoice([("Spain", 1)])
        self.assertEqual(sorted(move._astpp_split(1, [1, 1, 1])), [0.33, 0.33, 0.34])
        self.assertEqual(move._astpp_split(0, [3, 0, 1]), [0, 0, 0])
        self.assertEqual(move._astpp_split(0, []), [])
        self.assertEqual(sum(move._astpp_split(5, [0, 0])), 5)
        self.assertEqual(move._astpp_split(-3, [-1, -2]), [-1, -2])
