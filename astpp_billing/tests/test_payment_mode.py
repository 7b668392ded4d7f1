from freezegun import freeze_time

from odoo.tests import tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestPaymentMode(AstppCommon):
    """Accounts that change between prepaid and postpaid (ASTPP facts 7.2, weakness 28)."""

    def test_earlier_postpaid_usage_is_invoiced(self):
        self.load_calls(self.customer, "10")
        with freeze_time("2024-01-18"):
            self.customer.payment_mode = "prepaid"
        self.load_calls(self.customer, "3", callstart="2024-01-20 10:00:00")
        run = self.env["astpp.billing.run"].create({"account_ids": [(6, 0, self.customer.ids)]})
        run.action_run()
        self.assertEqual(run.move_ids.amount_untaxed, 10)
        self.assertEqual(self.customer.unbilled_amount, 0)
        again = self.env["astpp.billing.run"].create({"account_ids": [(6, 0, self.customer.ids)]})
        again.action_run()
        self.assertFalse(again.move_ids)

    def test_earlier_prepaid_usage_is_not_invoiced(self):
        account = self.make_account(payment_mode="prepaid")
        self.load_calls(account, "10")
        with freeze_time("2024-01-18"):
            account.payment_mode = "postpaid"
        account.billed_until = "2024-01-01 00:00:00"
        self.load_calls(account, "4", callstart="2024-01-21 10:00:00")
        self.assertEqual(self.bill(account).move_ids.amount_untaxed, 4)

    def test_the_first_period_after_a_change_is_the_running_one(self):
        account = self.make_account(payment_mode="prepaid")
        account.payment_mode = "postpaid"
        self.assertGreater(account.billed_until.year, 2024, "no invoices for the time before")
