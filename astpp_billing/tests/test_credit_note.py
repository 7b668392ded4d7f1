from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestCreditNote(AstppCommon):
    """Whatever is credited, in parts, twice or replaced: usage is on one invoice in force, and owed once."""

    def setUp(self):
        super().setUp()
        self.call_product.taxes_id = False
        self.usage = self.load_calls(self.customer, "60", "40")
        self.move = self.bill(self.customer).move_ids

    def wizard(self, move=None, **values):
        move = move or self.move
        return (
            self.env["account.move.reversal"]
            .with_context(active_model="account.move", active_ids=move.ids)
            .create({"journal_id": move.journal_id.id, "date": "2024-02-02", **values})
        )

    def credit(self, amount=None, move=None, **values):
        """Create a draft credit note."""
        credit = self.env["account.move"].browse(self.wizard(move, **values).refund_moves()["res_id"])
        if amount:
            credit.invoice_line_ids.price_unit = amount
        return credit

    def replace(self, **values):
        return self.env["account.move"].browse(self.wizard(**values).modify_moves()["res_id"])

    def owed(self):
        self.env.flush_all()
        self.customer.partner_id.invalidate_recordset()
        return self.customer.partner_id.credit

    def bill_again(self):
        return self.bill(self.customer, date="2024-03-01", invoice_date="2024-03-01").move_ids

    def kinds(self):
        self.env["astpp.violation"]._check()
        return sorted(self.env["astpp.violation"].search([]).mapped("kind"))

    def sql(self, statement, *parameters):
        self.env.flush_all()
        self.env.cr.execute(statement, parameters)
        self.env.invalidate_all()

    def test_reverse_and_create_moves_usage_to_the_replacement(self):
        for usage in ("keep", "release"):
            with self.subTest(usage), self.env.cr.savepoint() as savepoint:
                corrected = self.replace(astpp_usage=usage)
                self.assertEqual((self.usage.move_id, corrected.state), (corrected, "draft"))
                self.assertEqual(self.usage.move_line_id, corrected.invoice_line_ids)
                self.assertEqual(corrected.astpp_run_id, self.move.astpp_run_id)
                self.assertFalse(self.bill_again(), "nothing is left to bill")
                corrected.action_post()
                self.assertEqual(self.owed(), 100)
                self.assertFalse(self.kinds())
                self.assertLedgerHolds()
                savepoint.rollback()
                self.env.invalidate_all()

    def assertLedgerHolds(self):
        self.assertEqual(sum(self.usage.mapped("amount")), 100)
        self.assertEqual(len(self.usage.move_line_id), 1)

    def test_deleting_or_cancelling_a_replacement_releases_its_usage(self):
        for action in ("unlink", "button_cancel"):
            with self.subTest(action), self.env.cr.savepoint() as savepoint:
                corrected = self.replace()
                self.assertEqual(str(self.customer.billed_until), "2024-02-01 00:00:00")
                getattr(corrected, action)()
                self.assertFalse(self.usage.move_id)
                self.assertEqual(str(self.customer.billed_until), "2024-01-01 00:00:00", "the period is billed again")
                second = self.bill(self.customer).move_ids - self.move - corrected.exists()
                self.assertEqual((second.amount_untaxed, self.owed()), (100, 100))
                self.assertFalse(self.kinds())
                savepoint.rollback()
                self.env.invalidate_all()

    def test_replacement_can_be_replaced(self):
        corrected = self.replace()
        corrected.action_post()
        again = self.env["account.move"].browse(self.wizard(corrected).modify_moves()["res_id"])
        again.action_post()
        self.assertEqual((self.usage.move_id, self.owed()), (again, 100))
        self.assertFalse(self.kinds())

    def test_invoices_that_cannot_be_replaced(self):
        with self.assertRaisesRegex(UserError, "in the future"):
            self.replace(date="2999-01-01")
        account = self.make_account(payment_mode="prepaid")
        topup = self.env["astpp.topup"].create(
            {"account_id": account.id, "product_id": self.make_product("topup").id, "amount": 5}
        )
        topup.action_confirm()
        with self.assertRaisesRegex(UserError, "is a top-up"):
            self.wizard(topup.move_id).modify_moves()
        self.credit(astpp_usage="release").action_post()
        with self.assertRaisesRegex(UserError, "credited already"):
            self.replace()

    def test_partly_credited_invoice_cannot_be_replaced(self):
        self.credit(30).action_post()
        with self.assertRaisesRegex(UserError, "130.00 of .*100.00"):
            self.replace()

    def test_earlier_partial_credit_counts(self):
        """30 were credited and the usage kept: crediting 100 more would leave only 70 to pay of 100 used."""
        self.credit(30).action_post()
        whole = self.credit(astpp_usage="release")
        with self.assertRaisesRegex(UserError, "130.00 of .*100.00: .*whole invoice"):
            whole.action_post()
        self.assertEqual(self.usage.move_id, self.move)

    def test_partial_credits_up_to_the_total_release_usage(self):
        part = self.credit(30)
        part.action_post()
        rest = self.credit(70, astpp_usage="release")
        rest.action_post()
        self.assertFalse(self.usage.move_id)
        self.assertFalse(self.kinds())
        self.bill_again()
        self.assertEqual(self.owed(), 100)
        for gone in (part, rest, self.move):
            with self.assertRaisesRegex(UserError, "cannot be undone"):
                gone.button_draft()
            with self.assertRaises(UserError):
                gone.button_cancel()

    def test_two_credit_notes_cannot_both_release_usage(self):
        first, second = self.credit(astpp_usage="release"), self.credit(astpp_usage="release")
        first.action_post()
        with self.assertRaisesRegex(UserError, "credited already"), self.env.cr.savepoint():
            second.action_post()
        self.env.invalidate_all()
        second.unlink()
        self.bill_again()
        self.assertEqual(self.owed(), 100)
        self.assertFalse(self.kinds())

    def test_fully_credited_invoice_cannot_be_credited_again(self):
        """An earlier draft that keeps the usage comes too late as well."""
        late = self.credit(30)
        self.credit(astpp_usage="release").action_post()
        with self.assertRaisesRegex(UserError, "nothing is left"):
            late.action_post()

    def test_check_compares_money_of_each_invoice(self):
        """The check finds what earlier versions allowed: too much credited, and usage released but not credited."""
        self.credit(astpp_usage="release").action_post()
        self.assertFalse(self.kinds())
        self.sql("UPDATE account_move SET amount_total = 130 WHERE reversed_entry_id = %s", self.move.id)
        self.assertEqual(self.kinds(), ["other_credit"])
        violation = self.env["astpp.violation"].search([])
        self.assertEqual((violation.move_id, violation.expected, violation.found), (self.move, 100, 130))
        self.sql("UPDATE account_move SET amount_total = 70 WHERE reversed_entry_id = %s", self.move.id)
        self.assertEqual(self.kinds(), ["other_credit"])

    def test_check_finds_a_replacement_without_usage(self):
        corrected = self.replace()
        corrected.action_post()
        self.sql("UPDATE astpp_usage_total SET move_line_id = NULL, move_id = NULL WHERE move_id = %s", corrected.id)
        self.sql("UPDATE account_move SET astpp_run_id = NULL WHERE id = %s", corrected.id)
        self.assertIn("no_usage", self.kinds())

    def test_duplicated_invoice_bills_no_period(self):
        copy = self.move.copy()
        self.assertFalse(copy.astpp_period_end or copy.astpp_period_start or copy.astpp_rate)
        copy.action_post()
        self.assertFalse(self.kinds(), "an invoice made by hand")
        self.assertTrue(self.credit().astpp_period_end)

    def test_goodwill_credit_is_no_violation(self):
        self.credit(30).action_post()
        self.assertFalse(self.kinds())
        self.credit(70).action_post()
        self.assertFalse(self.kinds())
        self.assertEqual(self.usage.move_id, self.move)
        self.credit(10).action_post()
        self.assertEqual(self.kinds(), ["other_credit"])

    def test_partial_credits_settle_nothing_once_usage_is_released(self):
        """ASTPP is still owed 100 for the calls, which are paid once, with the invoice that bills them again."""
        outbox = self.env["astpp.outbox"].sudo()
        domain = [("account_id", "=", self.customer.id), ("kind", "=", "payment")]

        def queued():
            return round(sum(outbox.search(domain).mapped("amount")), 2)

        self.credit(30).action_post()
        self.assertEqual(queued(), 30)
        self.credit(70, astpp_usage="release").action_post()
        self.assertEqual(queued(), 0)
        again = self.bill_again()
        self.env["account.payment.register"].with_context(active_model="account.move", active_ids=again.ids).create(
            {}
        )._create_payments()
        self.assertEqual(queued(), 100)

    def test_paid_invoice_that_is_replaced_is_paid_once_in_astpp(self):
        self.env["account.payment.register"].with_context(active_model="account.move", active_ids=self.move.ids).create(
            {}
        )._create_payments()
        outbox = self.env["astpp.outbox"].sudo().search([("account_id", "=", self.customer.id)])
        self.assertEqual(outbox.mapped("amount"), [100])
        corrected = self.replace()
        corrected.action_post()
        outbox = self.env["astpp.outbox"].sudo().search([("account_id", "=", self.customer.id)])
        self.assertEqual(round(sum(outbox.mapped("amount")), 2), 0, "Odoo takes the payment off the credited invoice")
        receivable = self.env["account.move.line"].search(
            [("partner_id", "=", self.customer.partner_id.id), ("account_type", "=", "asset_receivable")]
        )
        receivable.filtered(lambda line: not line.reconciled).reconcile()
        self.assertEqual(self.owed(), 0)
        outbox = self.env["astpp.outbox"].sudo().search([("account_id", "=", self.customer.id)])
        self.assertEqual(round(sum(outbox.mapped("amount")), 2), 100)
