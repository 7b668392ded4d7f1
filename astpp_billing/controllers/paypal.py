from odoo.addons.payment_paypal.controllers.main import PaypalController


class StrictPaypalController(PaypalController):
    """A webhook that PayPal does not vouch for pays nothing.

    Odoo's own goes on with a notification when the verification itself fails (an HTTP error, a time-out), so that an
    unverified one may set a transaction to done.
    """

    def _verify_notification_origin(self, payment_data, tx_sudo):
        """Refuse the notification unless the verification answers SUCCESS.

        :raise Forbidden: PayPal sends the notification again, some times
        """
        return super()._verify_notification_origin(payment_data, tx_sudo.with_context(astpp_must_succeed=True))
