import logging

from werkzeug.exceptions import Conflict

from odoo.addons.payment_paypal.controllers.main import PaypalController
from odoo.http import request, route

from ..models.payment.payment_provider import PAYPAL_CAPTURE_EVENTS, PAYPAL_REFUND_EVENTS

_logger = logging.getLogger(__name__)


class StrictPaypalController(PaypalController):
    """Accept only verified PayPal notifications, and handle captures, refunds and reversals too.

    Odoo's controller continues when the verification itself fails (an HTTP error, a time-out), so an unverified
    notification could set a transaction to done. It also handles order events only, but delayed captures, refunds and
    reversals are reported by capture events.
    """

    @route()
    def paypal_webhook(self):
        """Process a capture event; leave order events to Odoo.

        :raise Forbidden: when PayPal does not verify the notification
        :raise Conflict: when a refund arrives before its payment; PayPal repeats the notification a few times
        """
        event = request.get_json_data()
        if event.get("event_type") not in (*PAYPAL_CAPTURE_EVENTS, *PAYPAL_REFUND_EVENTS):
            return super().paypal_webhook()
        resource = event["resource"]
        # sudo: PayPal has no user. Nothing is written before the notification is verified.
        transaction = request.env["payment.transaction"].sudo()._paypal_of_capture(resource)
        if not transaction:
            _logger.info("PayPal's %s is about no payment of ours", event["event_type"])
            return request.make_json_response("")
        self._verify_notification_origin(event, transaction)
        if event["event_type"] in PAYPAL_CAPTURE_EVENTS:
            transaction._process("paypal", {**resource, "txn_type": "CAPTURE"})
        elif transaction.state == "done":
            transaction._paypal_refunded(resource, event["event_type"])
        else:
            raise Conflict()
        # Let Odoo's scheduled action book the payment now rather than within ten minutes.
        request.env.ref("payment.cron_post_process_payment_tx").sudo()._trigger()
        return request.make_json_response("")

    def _normalize_paypal_data(self, data, from_webhook=False):
        """Take an order's status from its capture, because an order is completed while its capture is still pending."""
        captured = data["purchase_units"][0].get("payments", {}).get("captures")
        return super()._normalize_paypal_data(data, from_webhook=from_webhook and not captured)

    def _verify_notification_origin(self, payment_data, tx_sudo):
        """Reject the notification unless PayPal's verification answers SUCCESS.

        :raise Forbidden: PayPal then repeats the notification a few times
        """
        return super()._verify_notification_origin(payment_data, tx_sudo.with_context(astpp_must_succeed=True))
