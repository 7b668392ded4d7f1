from werkzeug.exceptions import Forbidden

from odoo import api, models
from odoo.exceptions import ValidationError


class PaymentTransaction(models.Model):
    """Payments go to the account of who issued the invoice, and only when their provider says so."""

    _inherit = "payment.transaction"

    @api.constrains("provider_id", "invoice_ids")
    def _check_astpp_issuer(self):
        for transaction in self:
            owner = transaction.sudo().provider_id.astpp_issuer_id
            if owner and transaction.sudo().invoice_ids.astpp_issuer_id != owner:
                raise ValidationError(self.env._("This way to pay belongs to another issuer."))

    def _send_api_request(self, method, endpoint, **kwargs):
        """Let no failed request pass as an answer where the answer decides: see ``StrictPaypalController``."""
        try:
            return super()._send_api_request(method, endpoint, **kwargs)
        except ValidationError:
            if self.env.context.get("astpp_must_succeed"):
                raise Forbidden() from None
            raise

    def _paypal_prepare_order_payload(self):
        """Show the issuer's name on PayPal's page, not the operator's."""
        payload = super()._paypal_prepare_order_payload()
        issuer = self.sudo().invoice_ids.astpp_issuer_id
        if len(issuer) == 1 and issuer.account_id:
            for unit in payload["purchase_units"]:
                unit["description"] = f"{issuer.name}: {self.reference}"
                display = unit["payee"]["display_data"]
                display["brand_name"] = issuer.name
                display.pop("business_email", None)
                if issuer.partner_id.email:
                    display["business_email"] = issuer.partner_id.email
        return payload
