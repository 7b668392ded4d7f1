from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .paypal_common import PaypalCommon

LOGGERS = (
    "odoo.addons.payment_paypal.controllers.main",
    "odoo.addons.payment.models.payment_provider",
    "odoo.addons.payment.models.payment_transaction",
    "odoo.http",
)


@tagged("post_install", "-at_install")
class TestPaypal(PaypalCommon):
    """PayPal's webhooks pay an invoice only if PayPal verifies them, once, and with the right amount."""

    def test_unverified_pays_nothing(self):
        """A webhook that is forged, or that PayPal fails to verify in time, pays nothing and may be sent again."""
        transaction, order = self.started()
        self.paypal.orders[order]["status"] = "APPROVED"
        capture = self.paypal._capture(order)["purchase_units"][0]["payments"]["captures"][0]
        [completed] = self.paypal.events
        ordered = self.paypal.happens("CHECKOUT.ORDER.COMPLETED", self.paypal.orders[order])
        with mute_logger(*LOGGERS):
            for event in (completed, ordered):
                self.assertEqual(self.tell(event, signed_as={**event, "id": "another"}), 403)
                self.assertEqual(self.tell(event, webhook_id="another"), 403)
                for status in (400, 401, 429, 500, 503):
                    self.paypal.faults["verify-webhook-signature"] = status
                    self.assertEqual(self.tell(event), 403, status)
                    self.assertOpen()
                self.paypal.faults.clear()
            forged = {**completed, "resource": {**capture, "amount": {"value": "0.01", "currency_code": "USD"}}}
            self.assertEqual(self.tell(forged, signed_as=completed), 403)
            self.assertEqual(transaction.state, "draft")
            transaction._set_error("earlier")
            self.paypal.faults["verify-webhook-signature"] = 500
            self.assertEqual(self.tell(completed), 403, "an earlier failure opens no door")
        self.book()
        self.assertOpen()
        self.paypal.faults.clear()
        self.assertEqual(self.tell(completed), 200)
        self.book()
        self.assertPaidOnce()

    def test_time_out_pays_nothing(self):
        transaction, order = self.started()
        self.paypal.orders[order]["status"] = "APPROVED"
        self.paypal._capture(order)
        self.paypal.faults["verify-webhook-signature"] = 11.0
        with mute_logger(*LOGGERS):
            self.assertEqual(self.tell(self.paypal.events[0]), 403)
        self.assertEqual(transaction.state, "draft")
        self.assertOpen()

    def test_replays_book_once(self):
        """The browser's capture and all webhooks arrive twice, in any order."""
        transaction = self.paid()
        self.assertPaidOnce()
        capture = transaction.provider_reference
        order = next(iter(self.paypal.orders.values()))
        for name in ("CHECKOUT.ORDER.APPROVED", "CHECKOUT.ORDER.COMPLETED"):
            self.paypal.happens(name, order)
        for event in (*self.paypal.events, *reversed(self.paypal.events)):
            with mute_logger(*LOGGERS):
                self.assertEqual(self.tell(event), 200)
            self.book()
        self.assertPaidOnce()
        self.assertEqual((transaction.state, transaction.provider_reference), ("done", capture))
        notices = self.env["astpp.notice"].search([("move_id", "=", self.move.id), ("kind", "=", "payment")])
        self.assertEqual(len(notices), 1)

    def test_pending(self):
        """A capture that takes days leaves the invoice open, even if PayPal calls its order completed."""
        self.paypal.capture_status = "PENDING"
        transaction = self.paid()
        [order] = self.paypal.orders.values()
        [capture] = self.paypal.captures
        self.assertEqual(transaction.state, "pending")
        self.tell(self.paypal.happens("CHECKOUT.ORDER.COMPLETED", order))
        self.book()
        self.assertEqual(transaction.state, "pending")
        self.assertOpen()
        self.assertIn("Pending", self.url_open(self.move.get_portal_url()).text)
        self.assertEqual(self.tell(self.paypal.settle(capture)), 200)
        self.book()
        self.assertPaidOnce()

    def test_denied(self):
        self.paypal.capture_status = "PENDING"
        transaction = self.paid()
        [capture] = self.paypal.captures
        self.tell(self.paypal.settle(capture, "DECLINED"))
        self.book()
        self.assertEqual(transaction.state, "cancel")
        self.assertOpen()

    def test_capture_fails(self):
        """PayPal fails, or captures and its answer is lost: the webhook reports the outcome."""
        _transaction, order = self.started()
        self.paypal.faults["capture"] = 500
        with mute_logger(*LOGGERS):
            self.assertIn("error", self.approved(order))
        self.book()
        self.assertOpen()
        self.paypal.faults.clear()
        self.paypal._capture(order)
        self.tell(self.paypal.events[-1])
        self.book()
        self.assertPaidOnce()

    def test_wrong_amount_or_currency(self):
        """Such notifications pay nothing, however often they arrive, even if verified."""
        for wrong in (
            {"value": "1.00", "currency_code": "USD"},
            {"value": str(self.amount), "currency_code": "EUR"},
            {},
        ):
            with self.subTest(wrong), mute_logger(*LOGGERS):
                transaction, order = self.started()
                self.paypal.wrong_amount = wrong or {"currency_code": "USD"}
                self.approved(order)
                for _replay in range(3):
                    self.tell(self.paypal.events[-1])
                    self.tell(self.paypal.happens("CHECKOUT.ORDER.COMPLETED", self.paypal.orders[order]))
                    self.book()
                self.assertEqual(transaction.state, "error")
                self.assertOpen()

    def test_part_and_rest(self):
        self.paid(amount=40)
        self.assertEqual((self.move.payment_state, self.move.amount_residual), ("partial", self.amount - 40))
        self.paid()
        self.assertIn(self.move.payment_state, ("paid", "in_payment"))
        self.assertEqual(sum(self.transactions().payment_id.mapped("amount")), self.amount)

    def test_part_is_the_customers_choice(self):
        """Customers may pay any part of what is open, on their own invoices only."""
        self.authenticate("paypal_customer", "paypal_customer")
        token = self.move._portal_ensure_token()

        def chosen(part, move=self.move, **query):
            return self.url_open(f"/my/invoices/{move.id}/part", params={"part": part, **query}).url

        self.assertIn("amount=12.35&", chosen("12.345"))
        for part in ("", "x", "nan", "inf", "0", "0.001", "-5", self.amount + 0.01):
            self.assertNotIn("amount=", chosen(part), part)
        self.load(self.row(self.reseller_customer, debit="10"))
        [other] = self.bill(self.reseller_customer).move_ids.filtered(
            lambda move: move.astpp_account_id == self.reseller_customer
        )
        self.assertNotIn("amount=", chosen("5", other))
        self.logout()
        self.assertNotIn("amount=", chosen("5"))
        self.assertIn("amount=5.0&", chosen("5", access_token=token))

    def test_foreign_events(self):
        """Events of captures that are not ours are acknowledged; unknown events are left to Odoo."""
        self.assertEqual(
            self.tell(self.paypal.happens("PAYMENT.CAPTURE.COMPLETED", {"id": "X", "custom_id": "Y"})), 200
        )
        self.assertEqual(self.tell(self.paypal.happens("CUSTOMER.DISPUTE.CREATED", {"id": "X"})), 200)
        self.assertOpen()

    def test_webhook_is_registered(self):
        self.provider.paypal_webhook_id = False
        self.provider.action_paypal_create_webhook()
        webhook = self.paypal.webhooks[self.provider.paypal_webhook_id]
        names = [event["name"] for event in webhook["event_types"]]
        self.assertEqual(len(names), len(set(names)))
        self.assertLess(
            {"CHECKOUT.ORDER.APPROVED", "PAYMENT.CAPTURE.COMPLETED", "PAYMENT.CAPTURE.REVERSED"}, set(names)
        )

    def own_provider(self):
        own = self.provider.copy({"name": "PayPal of Reseller", "astpp_issuer_id": self.reseller_issuer.id})
        account = {"paypal_email_account": "b@example.com", "paypal_client_id": "C1", "paypal_client_secret": "S1"}
        own.write({**account, "paypal_webhook_id": "W1", "state": "test", "is_published": True})
        return own

    def test_provider_of_a_reseller(self):
        """A reseller's invoices offer its own PayPal provider, which no other invoice offers or accepts."""
        own = self.own_provider()
        providers = self.env["payment.provider"].sudo()
        arguments = (self.env.company.id, self.customer.partner_id.id, 5.0)
        offered = providers._get_compatible_providers(*arguments)
        self.assertIn(self.provider, offered)
        self.assertNotIn(own, offered)
        with_issuer = providers.with_context(astpp_issuer_id=self.reseller_issuer.id)
        self.assertEqual(with_issuer._get_compatible_providers(*arguments), own)
        transaction, _order = self.started()
        with self.assertRaisesRegex(ValidationError, "another issuer"), self.env.cr.savepoint():
            transaction.provider_id = own
        transaction.invalidate_recordset()
        # A forged request cannot pay a reseller's invoice to the operator either.
        self.load(self.row(self.reseller_customer, debit="1000"))
        moves = self.bill(self.reseller_customer).move_ids
        self.assertEqual(moves.astpp_issuer_id, self.reseller_issuer)
        with self.assertRaisesRegex(ValidationError, "another issuer"):
            transaction.invoice_ids = moves

    def test_overdue_invoices_are_paid_to_their_issuer(self):
        own = self.own_provider()
        self.load(self.row(self.reseller_customer, debit="10"))
        moves = self.bill(self.reseller_customer).move_ids
        moves = moves.filtered(lambda move: move.astpp_account_id == self.reseller_customer) + self.move
        self.let_overdue(moves)
        self.user.partner_id = moves[0].partner_id
        self.authenticate("paypal_customer", "paypal_customer")
        page = self.url_open("/my/invoices/overdue").text
        self.assertIn(f'data-provider-id="{own.id}"', page)
        self.assertNotIn(f'data-provider-id="{self.provider.id}"', page)
        self.move.button_draft()
        self.move.partner_id = self.user.partner_id
        self.move.action_post()
        self.let_overdue(self.move)
        self.assertTrue(self.url_open("/my/invoices/overdue").url.endswith("/my/invoices"), "of two issuers")
