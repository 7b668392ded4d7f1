from datetime import timedelta

from odoo import fields
from odoo.tests import freeze_time, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestBillingFailure(AstppCommon):
    """Runs always end; an account that cannot be billed has one alert, and is tried again from time to time."""

    def setUp(self):
        super().setUp()
        # No other account of the database is due.
        self.env["astpp.account"].search([]).invoice_enabled = False

    def scheduled(self):
        """Do what the scheduled action does, without its commits."""
        runs = self.env["astpp.billing.run"]._astpp_own()._open_runs()
        for run in runs:
            run._bill_at_once()
        return runs

    def failing(self):
        account = self.make_account("No Rate", currency_id=self.env.ref("base.JPY").id)
        self.env.ref("base.JPY").rate_ids.unlink()
        self.load_calls(account, "5")
        return account

    def test_failing_account_raises_one_alert_and_is_retried_later(self):
        with freeze_time("2024-02-01 06:00:00") as clock:
            account, sound = self.failing(), self.make_account("Sound")
            self.load_calls(sound, "7")
            run = self.scheduled()
            self.assertEqual(run.state, "done")
            self.assertEqual((sound.move_ids.amount_untaxed, account.billing_failures), (7, 1))
            self.assertIn("no rate of JPY", account.billing_error)
            alert = self.server._alerts("billing")
            self.assertIn("No Rate", alert.note)
            for minutes in (5, 30, 59):
                clock.move_to(f"2024-02-01 06:{minutes:02d}:00")
                self.assertFalse(self.scheduled(), "nothing is due but what has just failed")
            clock.move_to("2024-02-01 07:01:00")
            self.assertEqual(self.scheduled(), run, "the run that has the failure tries it again")
            self.assertEqual(len(account.billing_failure_ids), 1)
            self.assertEqual((account.billing_failures, self.server._alerts("billing")), (2, alert))
            self.assertEqual(account.billing_retry_date, fields.Datetime.now() + timedelta(hours=3))
            for _attempt in range(6):
                account.billing_failure_ids.sudo()._fail("still")
            self.assertEqual(account.billing_retry_date, fields.Datetime.now() + timedelta(days=1), "a day at most")
            self.setup_other_currency("JPY", rates=[("2024-01-01", 100)])
            clock.move_to("2024-02-02 08:00:00")
            self.scheduled()
            self.assertEqual(account.move_ids.amount_untaxed, 500)
            self.assertFalse(account.billing_error or account.billing_failures or account.billing_retry_date)
            self.assertFalse(self.server._alerts("billing"))

    def test_manual_run_does_not_wait_for_the_retry(self):
        account = self.failing()
        self.bill(account)
        self.assertTrue(account.billing_retry_date)
        self.setup_other_currency("JPY", rates=[("2024-01-01", 100)])
        self.assertEqual(self.bill(account).move_ids.amount_untaxed, 500)
        self.assertFalse(account.billing_retry_date)

    def test_failed_call_of_a_prepaid_account_is_not_invoiced(self):
        """The call stays in the ledger, and runs do not create results for it again and again."""
        account = self.make_account("Turned Prepaid")
        self.load_calls(account, "0", billseconds=0)
        account.payment_mode = "prepaid"
        for policy in ("refund", "carry"):
            self.operator.write({"negative_policy": policy, "invoice_no_usage": True})
            run = self.bill(account, date=fields.Date.today())
            self.assertEqual((run.state, run.due_count), ("done", 0))
            self.assertFalse(run.result_ids)

    def test_credit_without_a_later_invoice_is_refunded(self):
        """There is no later invoice to carry the credit over to."""
        self.operator.negative_policy = "carry"
        prepaid, closed, active = (self.make_account(name) for name in ("Prepaid", "Closed", "Active"))
        for account in (prepaid, closed, active):
            self.env["astpp.usage"].create({"account_id": account.id, "amount": -5, "date": "2024-01-10"})
        prepaid.payment_mode, closed.status = "prepaid", "closed"
        run = self.bill(prepaid, closed, active, date=fields.Date.today())
        self.assertEqual((run.state, run.due_count), ("done", 0))
        for account in (prepaid, closed):
            self.assertEqual((account.move_ids.move_type, account.move_ids.amount_untaxed), ("out_refund", 5))
        self.assertFalse(active.move_ids)
        self.assertFalse(self.bill(prepaid, closed, date=fields.Date.today()).result_ids)

    def test_run_ends_with_carried_credits_of_suspended_accounts(self):
        self.operator.negative_policy = "carry"
        account = self.make_account("Suspended", billed_until=fields.Datetime.now() - timedelta(days=2))
        earlier = fields.Datetime.now() - timedelta(hours=1)
        self.env["astpp.usage"].create({"account_id": account.id, "amount": -5, "date": earlier})
        account.status = "suspended"
        for expected in (1, 0, 0):
            run = self.bill(account, date=fields.Date.today() + timedelta(days=1))
            self.assertEqual((run.state, len(run.result_ids)), ("done", expected))
