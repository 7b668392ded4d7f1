import json
from unittest.mock import patch

from odoo.addons.payment.tests.http_common import PaymentHttpCommon
from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import AstppCommon

VERIFY = "/v1/notifications/verify-webhook-signature"


@tagged("post_install", "-at_install")
class TestPaypal(AstppCommon, PaymentHttpCommon):
    """PayPal's notifications pay an invoice only when PayPal vouches for them, once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Payments are booked as in real life.
        cls.enable_post_process_patcher = False
        cls.provider = cls._prepare_provider(
            "paypal",
            update_values={
                "paypal_webhook_id": "W1",
                "paypal_email_account": "a@example.com",
                "paypal_client_id": "C1",
                "paypal_client_secret": "S1",
            },
        )
        cls.load(cls.row(cls.customer, debit="100"))
        cls.move = cls.bill(cls, cls.customer).move_ids
        cls.amount = cls.move.amount_residual

    def transaction(self, **values):
        return self._create_transaction(
            "redirect", provider_id=self.provider.id, amount=self.amount, currency_id=self.move.currency_id.id,
            partner_id=self.customer.partner_id.id, reference=self.move.name, invoice_ids=[(6, 0, self.move.ids)], **values,
        )  # fmt: skip

    def notify(self, transaction, answer, amount=None, status="COMPLETED"):
        """Send a webhook; the verification answers, or fails with an exception."""
        body = {
            "event_type": "CHECKOUT.ORDER.APPROVED",
            "resource": {
                "id": "ORDER1", "intent": "CAPTURE", "status": status, "payment_source": {"paypal": {}},
                "purchase_units": [
                    {"reference_id": transaction.reference,
                     "amount": {"value": str(amount or self.amount), "currency_code": transaction.currency_id.name}}
                ],
            },
        }  # fmt: skip

        def request(_provider, _method, endpoint, **_kwargs):
            self.assertEqual(endpoint, VERIFY)
            if isinstance(answer, Exception):
                raise answer
            return {"verification_status": answer}

        provider = type(self.env["payment.provider"])
        with (
            patch.object(provider, "_send_api_request", request),
            mute_logger("odoo.addons.payment_paypal.controllers.main", "odoo.http"),
        ):
            response = self.url_open(
                "/payment/paypal/webhook/", data=json.dumps(body), headers={"Content-Type": "application/json"}
            )
        transaction.invalidate_recordset()
        return response.status_code

    def test_unverified_pays_nothing(self):
        transaction = self.transaction()
        for answer in ("FAILURE", "", ValidationError("400"), ValidationError("time-out")):
            self.assertEqual(self.notify(transaction, answer), 403)
            self.assertEqual(transaction.state, "draft")
        self.assertEqual(self.move.payment_state, "not_paid")

    def test_an_earlier_failure_opens_no_door(self):
        transaction = self.transaction()
        transaction._set_error("earlier")
        self.assertEqual(self.notify(transaction, ValidationError("400")), 403)
        self.assertEqual(transaction.state, "error")

    def test_verified_pays_once(self):
        transaction = self.transaction()
        for _replay in range(3):
            self.assertEqual(self.notify(transaction, "SUCCESS"), 200)
            transaction._post_process()
        self.assertEqual(transaction.state, "done")
        self.assertIn(self.move.payment_state, ("paid", "in_payment"))
        self.assertEqual(len(transaction.payment_id), 1)
        notices = self.env["astpp.notice"].search([("move_id", "=", self.move.id), ("kind", "=", "payment")])
        self.assertEqual(len(notices), 1)

    def test_wrong_amount_and_pending(self):
        transaction = self.transaction()
        with mute_logger("odoo.addons.payment.models.payment_transaction"):
            self.notify(transaction, "SUCCESS", amount=1)
        self.assertNotEqual(transaction.state, "done")
        self.assertEqual(self.move.payment_state, "not_paid")

    def test_provider_of_a_reseller(self):
        """His invoices offer his PayPal, others do not, and cannot be paid by it."""
        own = self.provider.copy({"name": "PayPal of Reseller", "astpp_issuer_id": self.reseller_issuer.id})
        account = {"paypal_email_account": "b@example.com", "paypal_client_id": "C2", "paypal_client_secret": "S2"}
        own.write({**account, "state": "test", "is_published": True})
        providers = self.env["payment.provider"].sudo()
        arguments = (self.env.company.id, self.customer.partner_id.id, 5.0)
        offered = providers._get_compatible_providers(*arguments)
        self.assertIn(self.provider, offered)
        self.assertNotIn(own, offered)
        with_issuer = providers.with_context(astpp_issuer_id=self.reseller_issuer.id)
        self.assertEqual(with_issuer._get_compatible_providers(*arguments), own)
        with self.assertRaisesRegex(ValidationError, "another issuer"):
            self.transaction().provider_id = own
