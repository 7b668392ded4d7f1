from odoo.addons.payment.tests.http_common import PaymentHttpCommon
from odoo.tests import new_test_user
from odoo.tests.common import TEST_CURSOR_COOKIE_NAME

from .common import AstppCommon
from .paypal_stand_in import PaypalStandIn


class PaypalCommon(AstppCommon, PaymentHttpCommon):
    """A customer with an invoice, and PayPal replaced by a local stand-in; everything else is real."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Book payments as in production.
        cls.enable_post_process_patcher = False
        account = {"paypal_email_account": "a@example.com", "paypal_client_id": "C1", "paypal_client_secret": "S1"}
        cls.provider = cls._prepare_provider(
            "paypal", update_values={**account, "paypal_webhook_id": "W1", "is_published": True}
        )
        cls.method = cls.env.ref("payment.payment_method_paypal")
        cls.user = new_test_user(
            cls.env, login="paypal_customer", password="paypal_customer", groups="base.group_portal",
            partner_id=cls.customer.partner_id.id, company_id=cls.env.company.id, company_ids=[(6, 0, cls.env.company.ids)],
        )  # fmt: skip
        cls.env["ir.config_parameter"].set_param("account_payment.enable_portal_payment", "True")
        cls.load(cls.row(cls.customer, debit="100"))
        cls.move = cls.bill(cls, cls.customer).move_ids
        cls.amount = cls.move.amount_residual

    def setUp(self):
        super().setUp()
        self.paypal = paypal = PaypalStandIn()
        self.addCleanup(paypal.stop)
        paypal.webhooks["W1"]["url"] = f"{self.base_url()}/payment/paypal/webhook/"
        # During a test, Odoo only answers requests that carry the test's cookie.
        paypal.cookie = lambda: f"{TEST_CURSOR_COOKIE_NAME}={self.http_request_key}"
        self.patch(type(self.provider), "_paypal_get_api_url", lambda _provider: paypal.url)

    def transactions(self, move=None):
        return self.env["payment.transaction"].search([("invoice_ids", "in", (move or self.move).ids)], order="id")

    def started(self, move=None, amount=None):
        """Do what the browser does until PayPal's window opens; return the transaction and PayPal's order ID."""
        move = move or self.move
        self.authenticate("paypal_customer", "paypal_customer")
        values = self.make_jsonrpc_request(
            f"/invoice/transaction/{move.id}",
            {
                "provider_id": self.provider.id, "payment_method_id": self.method.id, "token_id": None,
                "amount": amount or move.amount_residual, "flow": "direct", "tokenization_requested": False,
                "landing_route": move.get_portal_url(), "access_token": move._portal_ensure_token(),
            },
        )  # fmt: skip
        transaction = self.env["payment.transaction"].search([("reference", "=", values["reference"])])
        return transaction, values["order_id"]

    def approved(self, order):
        """Let the buyer approve and the browser request the capture; return Odoo's answer."""
        self.calling(lambda: self.paypal.approve(order))
        reference = self.paypal.orders[order]["purchase_units"][0]["reference_id"]
        return self.url_open(
            "/payment/paypal/complete_order", json={"params": {"order_id": order, "reference": reference}}
        ).json()

    def paid(self, move=None, amount=None):
        """Pay an invoice from start to end; return the transaction."""
        transaction, order = self.started(move, amount)
        self.assertNotIn("error", self.approved(order))
        self.book()
        return transaction

    def calling(self, deliver):
        """Let Odoo accept requests from outside the test."""
        self.cr.flush()
        self.cr.clear()
        with self.allow_requests():
            return deliver()

    def tell(self, event, **forgery):
        """Deliver a webhook over HTTP; return the HTTP status of Odoo's answer."""
        return self.calling(lambda: self.paypal.deliver(event, **forgery))

    def book(self):
        """Do what Odoo's scheduled action does, without its commits."""
        self.env.invalidate_all()
        transactions = self.env["payment.transaction"].search([("is_post_processed", "=", False)])
        for transaction in transactions:
            transaction._post_process()

    def let_overdue(self, moves):
        moves.invoice_date_due = "2024-04-01"
        moves.line_ids.filtered("date_maturity").date_maturity = "2024-04-01"

    def assertOpen(self, move=None):
        """Nothing has been paid on the invoice."""
        self.env.invalidate_all()
        move = move or self.move
        self.assertEqual((move.payment_state, move.amount_residual), ("not_paid", move.amount_total))
        self.assertFalse(self.transactions(move).payment_id)

    def assertPaidOnce(self, move=None):
        """The invoice is paid by a single payment of its full amount."""
        self.env.invalidate_all()
        move = move or self.move
        self.assertIn(move.payment_state, ("paid", "in_payment"))
        payments = self.env["account.payment"].search([("partner_id", "=", move.commercial_partner_id.id)])
        self.assertEqual(payments.mapped("amount"), [move.amount_total])
        self.assertEqual(self.transactions(move).payment_id, payments)
