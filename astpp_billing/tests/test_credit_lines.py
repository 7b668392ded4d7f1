from unittest.mock import patch

from psycopg2.errors import UniqueViolation

from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestCreditLines(AstppCommon):
    """Single calls are credited by exactly one line of a credit note, and owed again only if that was chosen."""

    def setUp(self):
        super().setUp()
        self.call_product.taxes_id = False
        self.usage = self.load_calls(self.customer, "60", "30", "10").sorted("amount", reverse=True)
        self.move = self.bill(self.customer).move_ids

    def credit(self, usage, again="no"):
        """Create draft credit notes as an accountant does."""
        wizard = self.env["astpp.usage.credit"].with_context(active_model="astpp.usage", active_ids=usage.ids)
        with Form(wizard) as form:
            form.reason = "Not connected"
            form.date = "2024-02-02"
            form.again = again
        action = form.record.action_credit()
        return self.env["account.move"].search(action["domain"])

    def owed(self):
        self.env.flush_all()
        self.customer.partner_id.invalidate_recordset()
        return self.customer.partner_id.credit

    def assertNoViolation(self):
        self.env["astpp.violation"]._check()
        violations = self.env["astpp.violation"].search([])
        self.assertFalse(violations.mapped(lambda v: (v.kind, v.expected, v.found)))

    def in_force(self):
        """What is billed less what is credited, in money."""
        totals = self.env["astpp.usage.total"].search([("account_id", "=", self.customer.id), ("move_id", "!=", False)])
        return round(sum(totals.filtered(lambda total: total.move_id.state == "posted").mapped("amount")), 6)

    def bill_again(self):
        return self.bill(self.customer, date="2024-03-01", invoice_date="2024-03-01").move_ids

    def test_calls_are_credited_for_good(self):
        credit = self.credit(self.usage[1:])
        self.assertEqual((credit.state, credit.move_type, credit.amount_total), ("draft", "out_refund", 40))
        self.assertEqual(credit.reversed_entry_id, self.move)
        self.assertEqual(credit.astpp_issuer_id, self.move.astpp_issuer_id)
        self.assertIn("Not connected", credit.ref)
        credit.action_post()
        self.assertEqual((self.owed(), self.in_force()), (60, 60))
        self.assertEqual(self.usage.mapped("billing_state"), ["billed", "credited", "credited"])
        self.assertEqual(self.usage.move_id, self.move, "they stay on the invoice that the customer has")
        self.assertFalse(self.bill_again())
        self.assertNoViolation()

    def test_calls_are_billed_again(self):
        credit = self.credit(self.usage[1], again="yes")
        self.assertFalse(self.bill_again(), "not before the credit note is confirmed")
        credit.action_post()
        self.assertEqual(self.usage[1].billing_state, "open")
        self.move.invalidate_recordset()
        self.assertEqual(self.move.astpp_usage_count, 2)
        self.assertEqual((self.owed(), self.in_force()), (70, 70))
        self.assertNoViolation()
        self.customer.billed_until = "2024-03-01"
        second = self.bill(self.customer, date="2024-04-01", invoice_date="2024-04-01").move_ids
        self.assertEqual(second.amount_total, 30)
        self.assertEqual((self.usage[1].move_id, self.owed(), self.in_force()), (second, 100, 100))
        self.assertNoViolation()
        with self.assertRaisesRegex(UserError, "cannot be undone"):
            credit.button_draft()

    def test_a_call_is_credited_once(self):
        self.credit(self.usage[1])
        with self.assertRaisesRegex(UserError, "1 of the lines cannot be credited.*on a credit note already"):
            self.credit(self.usage[:2])
        with self.assertRaises(UniqueViolation), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.env["astpp.usage"]._credit([(self.usage[1].total_id, self.move.invoice_line_ids)])

    def test_giving_a_draft_up_takes_it_back(self):
        for action in ("unlink", "button_cancel"):
            with self.subTest(action):
                getattr(self.credit(self.usage[1]), action)()
                self.assertEqual(self.usage[1].billing_state, "billed")
                self.assertFalse(self.usage[1].total_id.credit_ids)
                self.assertNoViolation()
        credit = self.credit(self.usage[1])
        credit.action_post()
        credit.button_draft()
        self.assertEqual(self.usage[1].billing_state, "billed")
        credit.invoice_line_ids.unlink()
        self.assertFalse(self.usage[1].total_id.credit_ids)
        self.assertNoViolation()

    def test_what_cannot_be_credited(self):
        late = self.load_calls(self.customer, "5") - self.usage
        with self.assertRaisesRegex(UserError, "on no invoice"):
            self.credit(late)
        draft = self.bill(self.customer, date="2024-03-01", mode="draft").move_ids - self.move
        self.assertEqual(late.move_id, draft)
        with self.assertRaisesRegex(UserError, "is on a draft: confirm it"):
            self.credit(late)
        refund = self.env["astpp.usage"].create(
            {"account_id": self.customer.id, "amount": -20, "date": "2024-03-02", "description": "Goodwill"}
        )
        self.usage[0].account_id.flush_recordset()
        with self.assertRaisesRegex(UserError, "Goodwill.*on no invoice"):
            self.credit(refund)

    def test_invoice_with_credited_calls_stays(self):
        credit = self.credit(self.usage[1])
        for action in ("button_draft", "button_cancel"):
            with self.assertRaisesRegex(UserError, "cancel the credit note first"):
                getattr(self.move, action)()
        credit.action_post()
        with self.assertRaisesRegex(UserError, "cancel the credit note first"):
            self.move.button_draft()
        credit.button_draft()
        credit.button_cancel()
        self.move.button_draft()
        self.move.button_cancel()
        self.assertFalse(self.usage.move_id)
        self.assertNoViolation()

    def test_the_rest_is_credited_and_billed_again(self):
        """30 are gone for good; of the rest a credit note as a whole makes 70 that are billed again."""
        self.credit(self.usage[1]).action_post()
        wizard = self.env["account.move.reversal"].with_context(active_model="account.move", active_ids=self.move.ids)
        reversal = wizard.create(
            {"journal_id": self.move.journal_id.id, "date": "2024-02-03", "astpp_usage": "release"}
        )
        rest = self.env["account.move"].browse(reversal.refund_moves()["res_id"])
        with self.assertRaisesRegex(UserError, "130.00 of .*100.00"), self.env.cr.savepoint():
            rest.action_post()
        rest.invoice_line_ids.price_unit = 70
        rest.action_post()
        self.assertNoViolation()
        self.assertEqual(self.usage.mapped("billing_state"), ["open", "credited", "open"])
        self.bill_again()
        self.assertEqual(self.owed(), 70)
        self.assertNoViolation()

    def test_parts_add_up_to_the_rounded_line(self):
        """Three calls of a third of a cent each make a cent, whichever way they are credited."""
        account = self.make_account()
        calls = self.load_calls(account, *["0.335"] * 3)
        move = self.bill(account).move_ids
        self.assertEqual(move.amount_total, 1.01)
        for call in calls:
            self.credit(call).action_post()
        self.assertEqual(sum(move.reversal_move_ids.mapped("amount_total")), 1.01)
        self.assertEqual(move.payment_state, "reversed")
        self.assertNoViolation()

    def test_taxes_and_several_invoices(self):
        self.call_product.taxes_id = self.tax_sale_a
        other = self.make_account()
        calls = self.load_calls(other, "20", "50")
        move = self.bill(other).move_ids
        credits = self.credit(calls[0] | self.usage[1])
        self.assertEqual(credits.reversed_entry_id, move | self.move)
        of_other = credits.filtered(lambda credit: credit.reversed_entry_id == move)
        self.assertEqual(of_other.invoice_line_ids.tax_ids, self.tax_sale_a)
        self.assertEqual(of_other.amount_total, move.currency_id.round(calls[0].amount * 1.15))
        credits.action_post()
        self.assertNoViolation()

    def test_more_than_the_rest_is_refused(self):
        wizard = self.env["account.move.reversal"].with_context(active_model="account.move", active_ids=self.move.ids)
        reversal = wizard.create({"journal_id": self.move.journal_id.id, "date": "2024-02-03"})
        goodwill = self.env["account.move"].browse(reversal.refund_moves()["res_id"])
        goodwill.invoice_line_ids.price_unit = 80
        goodwill.action_post()
        credit = self.credit(self.usage[1])
        with self.assertRaisesRegex(UserError, "110.00 of .*100.00"):
            credit.action_post()

    def test_the_credit_note_shows_its_calls(self):
        credit = self.credit(self.usage[1:])
        usage = self.env["astpp.usage"].search(credit.action_view_astpp_usage()["domain"])
        self.assertEqual((usage, credit.astpp_usage_count), (self.usage[1:], 2))
        usage = self.env["astpp.usage"].search(self.move.action_view_astpp_usage()["domain"])
        self.assertEqual(usage, self.usage)
        both = self.env["astpp.usage"].search((self.move | credit).action_view_astpp_usage()["domain"])
        self.assertEqual(both, self.usage, "each once")
        self.customer.call_list = "none"
        self.assertEqual(set(credit._astpp_call_list()), set(self.usage[1:]), "its document names them")

    def test_payments_reach_astpp_once(self):
        """30 of 100 are credited and billed again: 70 are paid with the first invoice, 30 with the second."""
        outbox = self.env["astpp.outbox"].sudo()
        domain = [("account_id", "=", self.customer.id), ("kind", "=", "payment")]

        def queued():
            return round(sum(outbox.search(domain).mapped("amount")), 2)

        def pay(move):
            register = self.env["account.payment.register"].with_context(
                active_model="account.move", active_ids=move.ids
            )
            register.create({})._create_payments()

        self.credit(self.usage[2]).action_post()
        receivable = (self.move | self.move.reversal_move_ids).line_ids.filtered(
            lambda line: line.account_type == "asset_receivable"
        )
        receivable.filtered(lambda line: not line.reconciled).reconcile()
        self.assertEqual(queued(), 10, "what is given is settled")
        again = self.credit(self.usage[1], again="yes")
        again.action_post()
        receivable = (self.move | again).line_ids.filtered(lambda line: line.account_type == "asset_receivable")
        receivable.filtered(lambda line: not line.reconciled).reconcile()
        self.assertEqual(queued(), 10)
        pay(self.move)
        self.assertEqual(queued(), 70)
        second = self.bill_again()
        pay(second)
        self.assertEqual(queued(), 100)

    def test_ordinary_documents_are_left_alone(self):
        """Undoing an invoice that bills no usage asks nothing of the ledger."""
        invoice = self.init_invoice("out_invoice", products=self.product_a, post=True)
        invoice.line_ids.flush_recordset()
        with patch.object(type(self.env["astpp.usage.total"]), "search", side_effect=AssertionError):
            invoice.button_draft()
            invoice.button_cancel()
        with patch.object(type(self.env["astpp.usage"]), "_forget_billed", side_effect=AssertionError):
            invoice.unlink()

    def test_only_accountants_credit(self):
        reader = new_test_user(self.env, "looks-on", groups="account.group_account_readonly")
        with self.assertRaises(AccessError):
            self.env["astpp.usage.credit"].with_user(reader).create({"usage_ids": self.usage.ids, "reason": "x"})
        accountant = new_test_user(self.env, "credits", groups="account.group_account_invoice")
        wizard = self.env["astpp.usage.credit"].with_user(accountant)
        wizard.create({"usage_ids": [(6, 0, self.usage[1].ids)], "reason": "x", "date": "2024-02-02"}).action_credit()
        credit = self.move.reversal_move_ids
        credit.with_user(accountant).action_post()
        self.assertEqual(self.usage[1].billing_state, "credited")
