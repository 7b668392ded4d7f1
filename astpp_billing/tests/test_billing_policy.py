from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestBillingPolicy(AstppCommon):
    """How accounts are billed: final invoices, shared invoices, negative totals, credit notes."""

    def setUp(self):
        super().setUp()
        self.today = fields.Date.context_today(self.env["astpp.account"])

    def recent(self, account, *amounts, days=1):
        """Create calls of a few days ago, for accounts billed up to the day before yesterday."""
        at = fields.Datetime.now() - timedelta(days=days)
        return self.load_calls(account, *amounts, callstart=at.replace(microsecond=0))

    def bill_today(self, *accounts, **values):
        return self.bill(*accounts, date=self.today, invoice_date=self.today, **values)

    def test_closed_account_gets_a_final_invoice(self):
        yesterday = fields.Datetime.now() - timedelta(days=2)
        accounts = self.make_account("Closed", billed_until=yesterday) | self.make_account(
            "Left", billed_until=yesterday
        )
        for account in accounts:
            self.recent(account, "1.5")
        self.assertFalse(self.bill_today(*accounts).result_ids, "their period has not ended")
        accounts[0].status, accounts[1].status = "closed", "suspended"
        run = self.bill_today(*accounts)
        self.assertEqual(run.move_ids.mapped("amount_untaxed"), [1.5, 1.5])
        for account in accounts:
            self.assertLess(fields.Datetime.now() - account.billed_until, timedelta(minutes=5))
        # Late usage waits for the end of the period, and nothing else is due.
        self.recent(accounts[0], "2")
        self.assertFalse(self.bill_today(*accounts).result_ids)
        # Reactivated and closed again.
        accounts[0].status = "active"
        accounts[0].status = "closed"
        self.assertEqual(self.bill_today(*accounts).move_ids.amount_untaxed, 2)
        self.assertLedgerHolds()

    def test_suspended_and_resumed_three_times_in_a_month(self):
        """The first suspension gives one invoice; usage between the others waits for the end of the period."""
        with freeze_time("2024-05-03 10:00:00") as clock:
            account = self.make_account("On and Off", billed_until="2024-05-01 00:00:00")
            for day in (3, 8, 13):
                clock.move_to(f"2024-05-{day:02d} 12:00:00")
                account.status = "active"
                self.recent(account, "1", days=0.1)
                account.status = "suspended"
                self.bill_today(account)
            self.assertEqual(account.move_ids.mapped("amount_untaxed"), [1])
            clock.move_to("2024-06-01 10:00:00")
            self.bill_today(account)
            self.assertEqual(sorted(account.move_ids.mapped("amount_untaxed")), [1, 2])
            account.status = "active"
            self.recent(account, "4", days=0.1)
            account.status = "suspended"
            self.assertEqual(self.bill_today(account).move_ids.amount_untaxed, 4, "at once in a new period")
            account.status = "active"
            self.recent(account, "8", days=0.05)
            account.status = "closed"
            self.assertEqual(self.bill_today(account).move_ids.amount_untaxed, 8, "whoever goes for good does not wait")
        self.assertLedgerHolds()

    def test_invoice_address(self):
        """As for sale orders, invoices go to the customer's invoice address, in its language."""
        address = self.env["res.partner"].create(
            {"name": "Accounts Payable", "type": "invoice", "parent_id": self.customer.partner_id.id}
        )
        self.load_calls(self.customer, "1")
        self.assertEqual(self.bill(self.customer).move_ids.partner_id, address)
        self.customer.partner_id.astpp_mail_invoices = False
        notice = self.env["astpp.notice"].search([("move_id.astpp_account_id", "=", self.customer.id)]).sudo()
        self.assertEqual(notice._mail_outcome(notice.move_id)["state"], "off", "the customer wants no mails")
        prepaid = self.make_account(payment_mode="prepaid", partner_id=self.customer.partner_id.id)
        topup = self.env["astpp.topup"].create(
            {"account_id": prepaid.id, "product_id": self.make_product("topup").id, "amount": 5}
        )
        topup.action_confirm()
        self.assertEqual((topup.move_id.partner_id, topup.partner_id), (address, self.customer.partner_id))

    def test_final_invoice_comes_after_missed_periods(self):
        self.customer.billed_until = self.customer._period_end(fields.Datetime.now()) - timedelta(days=70)
        self.recent(self.customer, "1", days=30)
        self.recent(self.customer, "2", days=0.01)
        self.customer.status = "closed"
        run = self.bill_today(self.customer)
        self.assertEqual(sum(run.move_ids.mapped("amount_untaxed")), 3)
        self.assertGreater(len(run.result_ids), 2)
        ends = run.result_ids.sorted("period_start")
        self.assertEqual(ends[:-1].mapped("period_end"), ends[1:].mapped("period_start"))

    def test_closed_account_without_usage_gets_no_invoice(self):
        self.customer.status = "closed"
        self.operator.invoice_no_usage = True
        self.assertFalse(self.bill_today(self.customer).result_ids)

    def test_cancelled_final_invoice_can_be_created_again(self):
        account = self.make_account("Closed", billed_until=fields.Datetime.now() - timedelta(days=2), status="closed")
        self.recent(account, "1")
        move = self.bill_today(account).move_ids
        move.button_cancel()
        self.assertEqual(self.bill_today(account).move_ids.amount_untaxed, 1)
        self.assertLedgerHolds()

    def test_one_invoice_for_all_accounts_of_a_customer(self):
        partner = self.customer.partner_id
        second = self.make_account("ignored", partner_id=partner.id)
        third = self.make_account("ignored", partner_id=partner.id, currency_id=self.setup_other_currency("EUR").id)
        for number, account in enumerate((self.customer, second, third), 1):
            self.load_calls(account, str(number))
        partner.astpp_one_invoice = True
        run = self.bill(self.customer, second, third)
        self.assertEqual(len(run.move_ids), 2, "one for each currency")
        self.assertEqual(run.invoice_count, 2)
        shared = run.move_ids.filtered(lambda move: move.astpp_account_id == self.customer)
        self.assertEqual(shared.invoice_line_ids.sorted("sequence").mapped("price_subtotal"), [1, 2])
        self.assertTrue(shared.invoice_line_ids.sorted("sequence")[1].name.startswith(second.number))
        self.assertEqual(second.billed_until.month, 2)
        shared.button_cancel()
        self.assertEqual((self.customer.billed_until.month, second.billed_until.month), (1, 1))
        self.assertEqual(third.billed_until.month, 2)
        self.assertEqual(self.bill(self.customer, second).move_ids.amount_untaxed, 3)
        self.assertFalse(self.env["astpp.violation"]._check())

    def test_shared_invoice_fails_as_one(self):
        partner = self.customer.partner_id
        partner.astpp_one_invoice = True
        second = self.make_account("ignored", partner_id=partner.id)
        other = self.make_account("Other")
        for account in (self.customer, second, other):
            self.load_calls(account, "1")
        tax = self.tax_sale_a.copy({"name": "Broken", "company_id": self.env.company.id})
        second.tax_ids = tax
        tax.invoice_repartition_line_ids.account_id = self.company_data["default_account_revenue"].copy(
            {"active": False}
        )
        run = self.bill(self.customer, second, other)
        failed = run.result_ids.filtered(lambda result: result.state == "failed")
        self.assertEqual(failed.account_id, self.customer | second)
        self.assertEqual(run.move_ids.astpp_account_id, other)

    def credit(self, amount):
        self.env["astpp.usage"].create(
            {"account_id": self.customer.id, "date": "2024-01-20", "amount": -amount, "charge_type": "credit"}
        )

    def test_negative_total_is_carried_over(self):
        self.operator.negative_policy = "carry"
        self.load_calls(self.customer, "1")
        self.credit(5)
        run = self.bill(self.customer)
        self.assertFalse(run.move_ids)
        self.assertEqual(run.result_ids.state, "carried")
        self.load_calls(self.customer, "10", callstart="2024-02-10 00:00:00")
        move = self.bill(self.customer, date="2024-03-01").move_ids
        self.assertEqual((move.move_type, move.amount_untaxed), ("out_invoice", 6))
        self.assertLedgerHolds()

    def reverse(self, move, **values):
        wizard = (
            self.env["account.move.reversal"]
            .with_context(active_model="account.move", active_ids=move.ids)
            .create({"journal_id": move.journal_id.id, "date": "2024-02-02", **values})
        )
        self.assertTrue(wizard.astpp_has_usage)
        return self.env["account.move"].browse(wizard.refund_moves()["res_id"])

    def test_credit_note_keeps_usage(self):
        usage = self.load_calls(self.customer, "1")
        move = self.bill(self.customer).move_ids
        credit = self.reverse(move)
        credit.action_post()
        self.assertEqual(usage.move_id, move)
        self.assertFalse(self.bill(self.customer, date="2024-03-01").move_ids)
        self.assertFalse(self.env["astpp.violation"]._check())

    def test_credit_note_releases_usage(self):
        usage = self.load_calls(self.customer, "1", "2")
        move = self.bill(self.customer).move_ids
        credit = self.reverse(move, astpp_usage="release")
        self.assertEqual(usage.move_id, move, "a draft changes nothing")
        credit.action_post()
        self.assertFalse(usage.move_id)
        self.assertFalse(self.env["astpp.violation"]._check())
        second = self.bill(self.customer).move_ids
        self.assertEqual(second.amount_untaxed, 3)
        for gone in (credit, move):
            with self.assertRaises(UserError):
                gone.button_draft()
        again = self.reverse(move, astpp_usage="release")
        self.assertFalse(again.astpp_releases_usage, "it has no usage any more")
        self.assertFalse(self.env["astpp.violation"]._check())

    def test_partial_credit_note_cannot_release_usage(self):
        usage = self.load_calls(self.customer, "10")
        move = self.bill(self.customer).move_ids
        credit = self.reverse(move, astpp_usage="release")
        credit.invoice_line_ids.price_unit = 4
        with self.assertRaisesRegex(UserError, "whole invoice"):
            credit.action_post()
        self.assertEqual(usage.move_id, move)

    def test_reverse_and_create_invoice(self):
        usage = self.load_calls(self.customer, "10")
        move = self.bill(self.customer).move_ids
        wizard = (
            self.env["account.move.reversal"]
            .with_context(active_model="account.move", active_ids=move.ids)
            .create({"journal_id": move.journal_id.id, "date": "2024-02-02"})
        )
        corrected = self.env["account.move"].browse(wizard.modify_moves()["res_id"])
        self.assertEqual((usage.move_id, corrected.astpp_run_id), (corrected, move.astpp_run_id))
        self.assertFalse(self.env["astpp.violation"]._check())

    def test_forecast(self):
        start = fields.Datetime.now() - timedelta(days=3)
        account = self.make_account("Busy", cycle_unit="day", billed_until=start)
        self.assertFalse(account.forecast_amount)
        self.recent(account, "4", days=2)
        account.invalidate_recordset()
        self.assertEqual((account.running_amount, account.forecast_amount), (0, 4))
        account.payment_mode = "prepaid"
        self.assertFalse(account.forecast_amount)

    def test_forecast_extrapolates_usage(self):
        now = fields.Datetime.now()
        account = self.make_account("Busy", cycle_interval=12, billed_until=now - timedelta(days=2))
        self.recent(account, "4")
        account.invalidate_recordset()
        self.assertEqual(account.running_amount, 4)
        whole = account.next_period_end - account.billed_until
        self.assertAlmostEqual(account.forecast_amount, 4 * (whole / timedelta(days=2)), delta=1)
