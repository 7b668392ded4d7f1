from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestBillingRun(AstppCommon):
    def test_one_line_per_type_and_direction(self):
        self.load(
            self.row(self.customer, debit="0.333333", billseconds=61),
            self.row(self.customer, debit="0.333333", billseconds=59),
            self.row(self.customer, debit="0.333333"),
            self.row(self.customer, debit="0.5", calltype="FREE", billseconds=90),
            self.row(self.customer, debit="0.02", calltype="DID", call_direction="inbound"),
            self.row(self.customer, debit="0", billseconds=0, disposition="USER_BUSY [17]"),
        )
        run = self.bill(self.customer)
        move = run.move_ids
        self.assertEqual(run.state, "done")
        self.assertRecordValues(
            move.invoice_line_ids.sorted("sequence"),
            [
                {"name": "Outgoing Calls: 3 calls, 3:00 minutes", "price_subtotal": 1.0},
                {"name": "Incoming DID Calls: 1 call, 1:00 minutes", "price_subtotal": 0.02},
                {"name": "Outgoing Package Calls: 1 call, 1:30 minutes", "price_subtotal": 0.0},
            ],
        )
        self.assertEqual(move.invoice_line_ids.product_id, self.call_product)
        self.assertEqual(move.invoice_line_ids.tax_ids, self.tax_sale_a)
        self.assertEqual(move.partner_id, self.customer.partner_id)
        self.assertEqual((move.astpp_account_id, move.astpp_issuer_id), (self.customer, self.operator))
        self.assertEqual(move._astpp_period_dates()[0].isoformat(), "2024-01-01")
        self.assertEqual(move._astpp_period_dates()[1].isoformat(), "2024-01-31")
        self.assertEqual(move.state, "posted")
        self.assertEqual(self.customer.billed_until.isoformat(), "2024-02-01T00:00:00")
        self.assertLedgerHolds()

    def test_exact_sums(self):
        """Ten thousand times 0.000499 is 4.99, which float sums and early rounding both miss."""
        self.load(*(self.row(self.customer, debit="0.000499") for _n in range(10000)))
        move = self.bill(self.customer).move_ids
        self.assertEqual(move.amount_untaxed, 4.99)

    def test_period_is_half_open(self):
        self.load_calls(self.customer, "1", callstart="2024-01-31 23:59:59")
        self.load_calls(self.customer, "2", callstart="2024-02-01 00:00:00")
        self.assertEqual(self.bill(self.customer).move_ids.amount_untaxed, 1)
        march = self.bill(self.customer, date="2024-03-01")
        self.assertEqual(march.move_ids.amount_untaxed, 2)

    def test_late_usage_goes_on_the_next_invoice(self):
        self.load_calls(self.customer, "1")
        self.bill(self.customer)
        self.load_calls(self.customer, "5")
        second = self.bill(self.customer, date="2024-03-01")
        self.assertEqual(second.move_ids.amount_untaxed, 5)
        self.assertLedgerHolds()

    def test_running_twice_bills_nothing_twice(self):
        self.load_calls(self.customer, "1")
        self.bill(self.customer)
        again = self.bill(self.customer)
        self.assertFalse(again.move_ids)
        self.assertEqual(again.state, "done")
        with self.assertRaises(UserError):
            again.action_run()

    def test_who_is_billed(self):
        prepaid = self.make_account("Prepaid", payment_mode="prepaid")
        off = self.make_account("Off", invoice_enabled=False)
        suspended = self.make_account("Suspended", status="suspended")
        for account in (prepaid, off, suspended, self.customer):
            self.load_calls(account, "1")
        run = self.bill(prepaid, off, suspended, self.customer)
        self.assertEqual(run.move_ids.astpp_account_id, self.customer | suspended, "what is left is billed")

    def test_no_usage(self):
        run = self.bill(self.customer)
        self.assertFalse(run.move_ids)
        self.assertEqual(run.result_ids.state, "nothing")
        self.assertEqual(self.customer.billed_until.month, 2)
        self.operator.invoice_no_usage = True
        run = self.bill(self.customer, date="2024-03-01")
        self.assertEqual(run.result_ids.state, "invoiced")
        self.assertEqual((run.move_ids.state, run.move_ids.amount_total), ("posted", 0))
        self.assertEqual(run.move_ids.invoice_line_ids.name, "No usage")

    def test_failed_calls_alone_make_no_invoice(self):
        self.load_calls(self.customer, "0", billseconds=0)
        self.assertEqual(self.bill(self.customer).result_ids.state, "nothing")

    def test_draft_or_confirm(self):
        self.load_calls(self.customer, "1")
        self.load_calls(self.reseller_customer, "1")
        self.operator.invoice_mode = "draft"
        run = self.bill(self.customer, self.reseller_customer)
        states = {move.astpp_account_id: move.state for move in run.move_ids}
        self.assertEqual(states, {self.customer: "draft", self.reseller_customer: "posted"})
        self.customer.invoice_mode = "confirm"
        self.load_calls(self.customer, "1")
        self.assertEqual(self.bill(self.customer, date="2024-03-01").move_ids.state, "posted")
        self.load_calls(self.customer, "1")
        self.assertEqual(self.bill(self.customer, date="2024-04-01", mode="draft").move_ids.state, "draft")

    def test_reseller_sales_are_no_income_of_the_operator(self):
        self.load_calls(self.reseller_customer, "10")
        move = self.bill(self.reseller_customer).move_ids
        self.assertEqual(move.invoice_line_ids.account_id, self.clearing_account)
        self.assertEqual(move.journal_id.code, "RSL")
        self.assertEqual(move.name, "R1-00001")

    def test_deleting_a_draft_releases_usage(self):
        usage = self.load_calls(self.customer, "1", "2")
        move = self.bill(self.customer, mode="draft").move_ids
        self.assertEqual(usage.move_id, move)
        move.unlink()
        self.assertFalse(usage.move_id)
        self.assertEqual(self.customer.billed_until.month, 1, "its period is due again")
        self.assertEqual(self.bill(self.customer).move_ids.amount_untaxed, 3)
        self.assertLedgerHolds()

    def test_cancelling_releases_usage(self):
        usage = self.load_calls(self.customer, "1")
        move = self.bill(self.customer).move_ids
        move.button_cancel()
        self.assertFalse(usage.move_id)
        with self.assertRaises(UserError):
            move.button_draft()
        second = self.bill(self.customer).move_ids
        self.assertEqual(usage.move_id, second)
        self.assertLedgerHolds()

    def test_reset_to_draft_keeps_usage(self):
        usage = self.load_calls(self.customer, "1")
        move = self.bill(self.customer).move_ids
        name = move.name
        move.button_draft()
        self.assertEqual(usage.move_id, move)
        self.assertLedgerHolds()
        move.action_post()
        self.assertEqual((move.name, usage.move_id), (name, move))
        self.assertLedgerHolds()

    def test_removing_a_line_releases_its_usage(self):
        usage = self.load_calls(self.customer, "1") | self.load_calls(self.customer, "2", calltype="LOCAL")
        move = self.bill(self.customer, mode="draft").move_ids
        with Form(move) as form:
            form.invoice_line_ids.remove(1)
        self.assertEqual(len(usage.filtered("move_id")), 1)
        self.assertLedgerHolds()

    def test_credits(self):
        """A negative total becomes a credit note."""
        self.load_calls(self.customer, "1")
        self.env["astpp.usage"].create(
            {"account_id": self.customer.id, "date": "2024-01-20", "amount": -5, "charge_type": "credit"}
        )
        move = self.bill(self.customer).move_ids
        self.assertEqual((move.move_type, move.amount_untaxed), ("out_refund", 4))
        self.assertLedgerHolds()

    def test_account_taxes_and_currency(self):
        euro = self.setup_other_currency("EUR", rates=[("2024-01-01", 0.5)])
        self.customer.write({"currency_id": euro.id, "tax_ids": [(6, 0, self.tax_sale_b.ids)]})
        self.load_calls(self.customer, "1.111", "1.111")
        move = self.bill(self.customer).move_ids
        self.assertEqual((move.currency_id, move.amount_untaxed), (euro, 1.11))
        self.assertEqual(move.invoice_line_ids.tax_ids, self.tax_sale_b)

    def test_missing_rate_is_an_error(self):
        chf = self.env.ref("base.CHF")
        chf.active = True
        chf.rate_ids.unlink()
        self.customer.currency_id = chf
        other = self.make_account("Other")
        self.load_calls(self.customer, "1")
        self.load_calls(other, "1")
        run = self.bill(self.customer, other)
        self.assertIn("CHF", run.result_ids.filtered(lambda result: result.state == "failed").message)
        self.assertEqual(run.move_ids.astpp_account_id, other)

    def test_one_failure_does_not_stop_others(self):
        others = [self.make_account(f"Other {n}") for n in range(3)]
        for account in (self.customer, *others):
            self.load_calls(account, "1")
        post = type(self.env["account.move"])._post

        def fail_for_customer(moves, soft=True):
            if self.customer in moves.astpp_account_id:
                raise ValueError("broken")
            return post(moves, soft)

        with (
            patch.object(type(self.env["account.move"]), "_post", fail_for_customer),
            mute_logger("odoo.addons.astpp_billing.models.billing.astpp_billing_run_batch"),
        ):
            run = self.bill(self.customer, *others)
        self.assertEqual(run.failed_count, 1)
        self.assertEqual((run.state, len(run.move_ids)), ("done", 3))
        self.assertEqual(self.customer.billed_until.month, 1)
        numbers = sorted(run.move_ids.mapped("sequence_number"))
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 3)), "no number is lost with the failure")
        run.action_retry_failed()
        self.assertEqual((run.failed_count, len(run.move_ids)), (0, 4))
        self.assertLedgerHolds()

    def test_scheduled_action_bills_all_batches(self):
        accounts = [self.make_account(f"Bulk {n}", billed_until="2024-01-01 00:00:00") for n in range(3)]
        for account in accounts:
            self.load_calls(account, "1")
        others = self.env["astpp.account"].search([("server_id", "=", self.server.id)]) - self.env[
            "astpp.account"
        ].union(*accounts)
        others.invoice_enabled = False
        batch = "odoo.addons.astpp_billing.models.billing.astpp_billing_run_batch.BATCH"
        with patch(batch, 2), self.enter_registry_test_mode():
            self.env.ref("astpp_billing.ir_cron_billing").with_user(
                self.env.ref("base.user_root")
            ).method_direct_trigger()
        for account in accounts:
            self.assertEqual(account.move_ids.filtered("amount_untaxed").mapped("amount_untaxed"), [1])
            self.assertGreater(account.next_period_end.date().isoformat(), "2024-03-01")

    def test_runs_with_invoices_cannot_be_deleted(self):
        self.load_calls(self.customer, "1")
        run = self.bill(self.customer)
        with self.assertRaises(UserError):
            run.unlink()
