from odoo.tests import tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestOutboxPayments(AstppCommon):
    """Payments for usage lower what ASTPP's accounts owe, once, however accountants reconcile them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.call_product.taxes_id = False
        cls.server.charge_product_id.taxes_id = False

    def billed(self, amount, month=1):
        """Create an invoice, or a credit note, of one amount for a month of 2024."""
        self.env["astpp.usage"].create(
            {"account_id": self.customer.id, "amount": amount, "date": f"2024-0{month}-10 00:00:00"}
        )
        return self.invoice(month)

    def invoice(self, month=1):
        date = f"2024-0{month + 1}-01"
        move = self.bill(self.customer, date=date, invoice_date=date).move_ids
        self.assertEqual(len(move), 1)
        return move

    def pay(self, move):
        register = self.env["account.payment.register"].with_context(active_model="account.move", active_ids=move.ids)
        return register.create({})._create_payments()

    def queued(self):
        entries = self.env["astpp.outbox"].sudo().search([("account_id", "=", self.customer.id)])
        return round(sum(entries.mapped("amount")), 5)

    def receivable(self, *moves):
        lines = self.env["account.move.line"].union(*(move.line_ids for move in moves))
        return lines.filtered(lambda line: line.account_id.account_type == "asset_receivable")

    def release(self, invoice):
        """Credit an invoice so that its usage is billed again."""
        wizard = self.env["account.move.reversal"].with_context(active_model="account.move", active_ids=invoice.ids)
        values = {"journal_id": invoice.journal_id.id, "date": "2024-02-02", "astpp_usage": "release"}
        credit = self.env["account.move"].browse(wizard.create(values).refund_moves()["res_id"])
        credit.action_post()
        return credit

    def test_credit_of_usage_and_money(self):
        """A credit of a month is already in ASTPP's balance: it settles an invoice, but is no payment."""
        invoice, credit = self.billed(40), self.billed(-10, 2)
        self.assertEqual((credit.move_type, credit.amount_total), ("out_refund", 10))
        self.receivable(invoice, credit).reconcile()
        self.assertEqual(self.queued(), 30 - invoice.amount_residual)
        self.pay(invoice)
        self.assertEqual((invoice.amount_residual, self.queued()), (0, 30))
        self.receivable(credit).remove_move_reconcile()
        self.assertEqual(self.queued(), 30)

    def test_credit_of_usage_paid_out(self):
        self.pay(self.billed(40))
        payment = self.pay(self.billed(-10, 2))
        self.assertEqual(self.queued(), 30)
        self.receivable(payment.move_id).remove_move_reconcile()
        self.assertEqual(self.queued(), 40)

    def test_payment_moved_from_an_invoice_billed_again(self):
        """The payment of an invoice whose usage was released counts once, whichever invoice it is reconciled with."""
        invoice = self.billed(40)
        payment = self.pay(invoice)
        credit = self.release(invoice)
        again = self.invoice()
        self.assertEqual(self.queued(), 40)
        self.receivable(payment.move_id).remove_move_reconcile()
        self.assertEqual(self.queued(), 0)
        self.receivable(invoice, credit).reconcile()
        self.receivable(again, payment.move_id).reconcile()
        self.assertEqual((again.amount_residual, self.queued()), (0, 40))

    def test_refunded_payment_of_an_invoice_billed_again(self):
        invoice = self.billed(40)
        self.pay(invoice)
        self.pay(self.release(invoice))
        self.assertEqual(self.queued(), 0)
        self.pay(self.invoice())
        self.assertEqual(self.queued(), 40)

    def test_credit_of_an_invoice_billed_again_pays_the_new_one(self):
        invoice = self.billed(40)
        self.pay(invoice)
        credit, again = self.release(invoice), self.invoice()
        self.receivable(again, credit).reconcile()
        self.assertEqual((again.amount_residual, self.queued()), (0, 40))

    def test_ordinary_credit_note_lowers_the_debt(self):
        """Usage that is credited and not billed again is no longer owed in ASTPP either."""
        invoice = self.billed(40)
        invoice._reverse_moves([{"invoice_date": "2024-02-02"}], cancel=True)
        self.assertEqual((invoice.amount_residual, self.queued()), (0, 40))
