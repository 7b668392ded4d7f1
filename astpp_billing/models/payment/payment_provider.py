from odoo import api, fields, models
from odoo.addons.payment_paypal.const import HANDLED_WEBHOOK_EVENTS

# Events that report how captures and refunds end: Odoo subscribes to events of orders only.
PAYPAL_CAPTURE_EVENTS = (
    "PAYMENT.CAPTURE.COMPLETED",
    "PAYMENT.CAPTURE.PENDING",
    "PAYMENT.CAPTURE.DENIED",
    "PAYMENT.CAPTURE.DECLINED",
)
PAYPAL_REFUND_EVENTS = ("PAYMENT.CAPTURE.REFUNDED", "PAYMENT.CAPTURE.REVERSED")


class PaymentProvider(models.Model):
    """Let a reseller have payment providers of their own."""

    _inherit = "payment.provider"

    astpp_issuer_id = fields.Many2one(
        "astpp.issuer",
        string="Issuer",
        check_company=True,
        ondelete="restrict",
        groups="base.group_system",
        help="Offered on this issuer's invoices only, and there instead of the others. Empty: on all others.",
    )

    @api.model
    def _get_compatible_providers(self, *args, **kwargs):
        """Offer an issuer's own providers on that issuer's invoices, and on no others."""
        providers = super()._get_compatible_providers(*args, **kwargs)
        issuer_id = self.env.context.get("astpp_issuer_id")
        # sudo: only system administrators may read which issuer a provider belongs to.
        own = providers.filtered(lambda provider: issuer_id and provider.sudo().astpp_issuer_id.id == issuer_id)
        return own or providers.filtered(lambda provider: not provider.sudo().astpp_issuer_id)

    def action_paypal_create_webhook(self):
        """Subscribe to PayPal's capture events as well."""
        res = super().action_paypal_create_webhook()
        names = (*HANDLED_WEBHOOK_EVENTS, *PAYPAL_CAPTURE_EVENTS, *PAYPAL_REFUND_EVENTS)
        change = {"op": "replace", "path": "/event_types", "value": [{"name": name} for name in names]}
        self._send_api_request("PATCH", f"/v1/notifications/webhooks/{self.paypal_webhook_id}", json=[change])
        return res
