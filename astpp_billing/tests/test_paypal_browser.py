import requests

from odoo.tests import new_test_user, tagged

from .paypal_common import PaypalCommon

SDK = "https://www.paypal.com/sdk/js"


@tagged("post_install", "-at_install")
class TestPaypalBrowser(PaypalCommon):
    """A customer pays in a real browser, with Odoo's pages and scripts, and PayPal's buttons from the stand-in."""

    def fetch_proxy(self, url):
        """Serve PayPal's script, whose address is fixed in Odoo, from the stand-in."""
        if url.startswith(SDK):
            return self.make_fetch_proxy_response(requests.get(self.paypal.url + url.removeprefix(SDK), timeout=5).text)
        return super().fetch_proxy(url)

    def tour(self, name, url="/my/invoices"):
        self.start_tour(url, name, login="paypal_customer", timeout=600)
        self.env.invalidate_all()

    def deliver(self):
        """Deliver the webhooks that PayPal has created in the meantime, each twice."""
        for event in self.paypal.events * 2:
            self.assertEqual(self.tell(event), 200)
        self.book()

    def test_in_full_and_given_back(self):
        """An invoice is paid and partly refunded; customer and accountant see both."""
        self.tour("astpp_paypal_full")
        self.assertPaidOnce()
        self.deliver()
        self.assertPaidOnce()
        [order] = self.paypal.orders.values()
        self.assertEqual(order["status"], "COMPLETED")
        self.assertEqual(self.paypal.calls.count(("POST", f"/v2/checkout/orders/{order['id']}/capture")), 1)
        self.paypal.give_back(next(iter(self.paypal.captures)), 15, "PAYMENT.CAPTURE.REVERSED")
        self.deliver()
        page = self.url_open(self.move.get_portal_url()).text
        self.assertRegex(page, r"Left to Pay:\s*<span[^>]*>\$.*15\.00")
        self.authenticate("paypal_customer", "paypal_customer")
        self.assertIn("Partially Paid", self.url_open("/my/charges?period=all").text)
        new_test_user(
            self.env, login="paypal_accountant", groups="base.group_user,account.group_account_invoice",
            company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip
        url = f"/odoo/action-account.action_move_out_invoice_type/{self.move.id}"
        self.start_tour(url, "astpp_paypal_given_back", login="paypal_accountant", timeout=600)

    def test_in_part(self):
        self.tour("astpp_paypal_part")
        self.deliver()
        self.assertEqual((self.move.payment_state, self.move.amount_residual), ("partial", self.amount - 40))
        self.assertEqual(self.transactions().payment_id.amount, 40)

    def test_cancelled_and_pending(self):
        """If the buyer closes the window, or the capture takes days, the invoice stays open."""
        self.paypal.capture_status = "PENDING"
        self.tour("astpp_paypal_cancelled_and_pending")
        self.assertEqual(self.transactions().mapped("state"), ["draft", "pending"])
        self.deliver()
        self.assertOpen()
        [capture] = self.paypal.captures
        self.paypal.settle(capture)
        self.deliver()
        self.assertPaidOnce()

    def test_several_at_once(self):
        """Overdue invoices are paid together; of one partly paid, what is left."""
        self.load(self.row(self.customer, debit="100", callstart="2024-02-15 12:00:00"))
        second = self.bill(self.customer, date="2024-03-01").move_ids
        both = self.move + second
        self.let_overdue(both)
        self.paid(amount=36)
        self.tour("astpp_paypal_overdue")
        self.deliver()
        self.assertEqual(set(both.mapped("amount_residual")), {0})
        payments = both.transaction_ids.payment_id
        self.assertEqual(sorted(payments.mapped("amount")), [36, sum(both.mapped("amount_total")) - 36])

    def test_topup(self):
        prepaid = self.make_account("Prepaid", payment_mode="prepaid", partner_id=self.customer.partner_id.id)
        self.tour("astpp_paypal_topup", "/my/services")
        self.deliver()
        topup = self.env["astpp.topup"].search([("account_id", "=", prepaid.id)])
        self.assertEqual((topup.state, topup.amount), ("credited", 25))
        self.assertPaidOnce(topup.move_id)
        queued = self.env["astpp.outbox"].sudo().search([("account_id", "=", prepaid.id)])
        self.assertEqual(queued.mapped("amount"), [25])
