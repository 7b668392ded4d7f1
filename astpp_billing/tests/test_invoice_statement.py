from odoo.tests import freeze_time, tagged

from .test_invoice_report import InvoiceReportCommon


@tagged("post_install", "-at_install")
class TestInvoiceStatement(InvoiceReportCommon):
    """A document states what else is open: earlier documents, payments, credits."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.call_product.taxes_id = False
        # Due on the invoice date, so the tests do not depend on today's date.
        cls.operator.payment_term_id = cls.env["account.payment.term"].create(
            {"name": "At once", "line_ids": [(0, 0, {"value": "percent", "value_amount": 100, "nb_days": 0})]}
        )

    def invoice(self, account, amount, date="2024-02-01", used="2024-01-15 12:00:00", **values):
        self.load(self.row(account, debit=amount, callstart=used))
        return self.bill(account, date=date, invoice_date=date, **values).move_ids

    def second(self, account, amount):
        return self.invoice(account, amount, date="2024-03-01", used="2024-02-10 10:00:00")

    def pay(self, move, amount, date="2024-02-05", **values):
        wizards = self.env["account.payment.register"].with_context(active_model="account.move", active_ids=move.ids)
        wizard = wizards.create({"amount": amount, "payment_date": date, **values})
        wizard.payment_difference_handling = "open"
        return wizard._create_payments()

    def pay_on_account(self, partner, amount, journal=None, date="2024-02-20", **values):
        """Register a payment that is for no particular invoice."""
        payment = self.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": partner.id,
                "amount": amount,
                "date": date,
                "journal_id": (journal or self.company_data["default_journal_bank"]).id,
                **values,
            }
        )
        payment.action_post()
        return payment

    def entry(self, partner, amount, **values):
        """Create an entry that credits the customer, such as for a credit granted elsewhere."""
        receivable = self.company_data["default_account_receivable"]
        lines = [
            {"account_id": receivable.id, "partner_id": partner.id, "credit": amount},
            {"account_id": self.company_data["default_account_revenue"].id, "debit": amount},
        ]
        values = {"move_type": "entry", "date": "2024-02-20", "line_ids": [(0, 0, line) for line in lines], **values}
        entry = self.env["account.move"].create(values)
        entry.action_post()
        return entry

    def assertStatement(self, move, **amounts):
        statement = move._astpp_statement()
        self.assertEqual({name: statement[name] for name in amounts}, amounts)

    def reminded(self, *moves, day="2024-06-01"):
        with freeze_time(f"{day} 10:00:00"):
            self.env["astpp.notice"]._note_due()
        notices = self.env["astpp.notice"].search([("kind", "in", ("due", "overdue"))])
        return [move in notices.move_id for move in moves]

    def test_customer_in_credit(self):
        first = self.invoice(self.customer, 100)
        self.pay(first, 300)
        second = self.second(self.customer, 30)
        self.assertEqual(self.customer.partner_id.credit, -170)
        self.assertStatement(second, before=0, paid=300, credit=200, this=30, due=-170)
        text = " ".join(self.pdf_text(second))
        self.assertIn("You are in credit with $ 170.00", text.replace("\u00a0", " "))
        self.assertNotIn("Total amount due", text)
        self.assertNotIn("Pay this invoice online", text)

    def test_customer_in_credit_is_not_reminded(self):
        first = self.invoice(self.customer, 100)
        payment = self.pay(first, 300)
        second = self.second(self.customer, 30)
        self.assertEqual(self.reminded(second), [False])
        self.assertEqual(second._astpp_covered(), second)
        payment.action_draft()
        first.line_ids.remove_move_reconcile()
        self.assertEqual(self.reminded(first, second), [True, True])

    def test_credit_that_came_after_the_notice(self):
        move = self.invoice(self.customer, 30)
        self.assertEqual(self.reminded(move), [True])
        self.pay_on_account(self.customer.partner_id, 30)
        notice = self.env["astpp.notice"].sudo().search([("move_id", "=", move.id), ("kind", "=", "overdue")])
        notice._make_mail()
        self.assertEqual((notice.state, notice.mail_id.id), ("off", False))

    def test_credit_pays_the_oldest_first(self):
        first = self.invoice(self.customer, 30)
        second = self.second(self.customer, 30)
        self.pay_on_account(self.customer.partner_id, 50)
        self.assertEqual(self.reminded(first, second), [False, True])

    def test_later_documents_of_the_same_day_are_not_earlier(self):
        other = self.make_account(partner_id=self.customer.partner_id.id)
        self.load_calls(self.customer, "10")
        self.load_calls(other, "20")
        moves = self.bill(self.customer, other).move_ids.sorted("id")
        amounts = moves.mapped("amount_total")
        self.assertIsNone(moves[0]._astpp_statement())
        self.assertStatement(moves[1], before=amounts[0], this=amounts[1], due=30)

    def test_first_invoice_after_a_payment(self):
        self.pay_on_account(self.customer.partner_id, 25)
        move = self.invoice(self.customer, 10)
        self.assertStatement(move, before=0, paid=0, credit=25, due=-15)

    def test_payment_on_account_of_a_person_of_the_customer(self):
        person = self.env["res.partner"].create({"name": "Person", "parent_id": self.customer.partner_id.id})
        self.pay_on_account(person, 25)
        self.assertStatement(self.invoice(self.customer, 10), credit=25)

    def test_credit_notes_count(self):
        first = self.invoice(self.customer, 100)
        self.pay(first, 100)
        first._reverse_moves([{"invoice_date": "2024-02-10", "date": "2024-02-10"}]).action_post()
        self.assertStatement(self.second(self.customer, 30), before=-100, due=-70)

    def test_payments_of_several_issuers(self):
        """For a customer of the operator and a reseller, payments that name no issuer are the operator's."""
        partner = self.customer.partner_id
        self.reseller_customer.partner_id = partner
        received = self.env["account.journal"].create({"name": "Received", "type": "bank", "code": "RECV"})
        self.reseller_issuer.payment_journal_id = received
        mine, his = self.invoice(self.customer, 10), self.invoice(self.reseller_customer, 20)
        self.pay_on_account(partner, 7)
        self.pay_on_account(partner, 3, received)
        self.assertEqual(self.pay(his, 25).amount, 25, "more than is open")
        mine, his = self.second(self.customer, 100), self.second(self.reseller_customer, 200)
        self.assertStatement(mine, before=10, paid=7, credit=7, this=100, due=103)
        self.assertStatement(his, before=0, paid=28, credit=8, this=200, due=192)

    def test_ambiguous_payment_belongs_to_no_reseller(self):
        second = self.make_account("Reseller Two", account_type="reseller")
        self.make_issuer(second, prefix="R2-")
        below = self.make_account(parent_id=second.id, partner_id=self.reseller_customer.partner_id.id)
        self.pay_on_account(below.partner_id, 7)
        for account in (below, self.reseller_customer):
            self.assertIsNone(self.invoice(account, 10)._astpp_statement())

    def test_credit_entry_counts_for_the_issuer(self):
        """An entry that credits the customer counts as a payment, whether it names the account or not."""
        self.invoice(self.reseller_customer, 10)
        self.entry(self.reseller_customer.partner_id, 4)
        self.entry(self.reseller_customer.partner_id, 5, astpp_account_id=self.reseller_customer.id)
        self.assertStatement(self.second(self.reseller_customer, 30), before=10, paid=5, credit=9, due=31)

    def test_payment_for_something_else(self):
        """An unreconciled payment for an ordinary invoice is no credit for telephone invoices."""
        ordinary = self.init_invoice(
            "out_invoice", partner=self.customer.partner_id, amounts=[50], invoice_date="2024-01-20", post=True
        )
        self.assertEqual(ordinary.amount_residual, 50)
        self.pay_on_account(self.customer.partner_id, 60)
        move = self.invoice(self.customer, 30)
        self.assertStatement(move, credit=10, due=20)
        self.assertEqual(self.reminded(move), [True])

    def test_other_currencies(self):
        """Items are converted to the invoice's currency, except those that are in it already."""
        euro = self.setup_other_currency("EUR", rates=[("1900-01-01", 2.0), ("2024-02-15", 4.0)])
        self.invoice(self.customer, 100)
        self.pay_on_account(self.customer.partner_id, 40, currency_id=euro.id)
        move = self.second(self.customer, 30)
        self.assertStatement(move, before=100, paid=10, credit=10, due=120)
        self.customer.currency_id = euro
        self.load(self.row(self.customer, debit=5, callstart="2024-03-10 10:00:00"))
        third = self.bill(self.customer, date="2024-04-01", invoice_date="2024-04-01").move_ids
        self.assertEqual((third.currency_id, third.amount_total), (euro, 20))
        self.assertStatement(third, before=520, credit=40, this=20, due=500)

    def test_credit_in_the_same_currency_covers_whatever_the_rates(self):
        euro = self.setup_other_currency("EUR", rates=[("1900-01-01", 2.0), ("2024-02-15", 3.0)])
        self.customer.currency_id = euro
        move = self.invoice(self.customer, 10)
        self.assertEqual((move.currency_id, move.amount_total), (euro, 20))
        self.pay_on_account(self.customer.partner_id, 20, currency_id=euro.id)
        self.assertEqual(self.reminded(move), [False])
        self.assertStatement(self.second(self.customer, 10), before=20, credit=20, this=30, due=30)
