import logging

from werkzeug.exceptions import Conflict

from odoo.addons.payment_paypal.controllers.main import PaypalController
from odoo.http import request, route

from ..models.payment.payment_provider import PAYPAL_CAPTURE_EVENTS, PAYPAL_REFUND_EVENTS

_logger = logging.getLogger(__name__)


class StrictPaypalController(PaypalController):
    """A webhook that PayPal does not vouch for pays nothing; captures, refunds and reversals are listened to.

    Odoo's own goes on with a notification when the verification itself fails (an HTTP error, a time-out), so that an
    unverified one may set a transaction to done. It knows events of orders only: a capture that takes days, a refund
    and a reversal are told by events of captures.
    """

    @route()
    def paypal_webhook(self):
        """Process an event of a capture; leave those of orders to Odoo.

        :raise Forbidden: PayPal does not vouch for it
        :raise Conflict: a refund comes before its payment; PayPal sends it again, some times
        """
        event = request.get_json_data()
        if event.get("event_type") not in (*PAYPAL_CAPTURE_EVENTS, *PAYPAL_REFUND_EVENTS):
            return super().paypal_webhook()
        resource = event["resource"]
        # sudo: PayPal is no user. Nothing is written before the event is verified.
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
        # Payments are booked by Odoo's scheduled action: now, not in ten minutes.
        request.env.ref("payment.cron_post_process_payment_tx").sudo()._trigger()
        return request.make_json_response("")

    def _normalize_paypal_data(self, data, from_webhook=False):
        """Read an order that says how it was captured by its capture: orders are completed while captures pend."""
        captured = data["purchase_units"][0].get("payments", {}).get("captures")
        return super()._normalize_paypal_data(data, from_webhook=from_webhook and not captured)

    def _verify_notification_origin(self, payment_data, tx_sudo):
        """Refuse the notification unless the verification answers SUCCESS.

        :raise Forbidden: PayPal sends the notification again, some times
        """
        return super()._verify_notification_origin(payment_data, tx_sudo.with_context(astpp_must_succeed=True))
