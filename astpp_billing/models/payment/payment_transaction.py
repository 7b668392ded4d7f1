from werkzeug.exceptions import Forbidden

from odoo import api, models
from odoo.exceptions import ValidationError

# Maximum length of PayPal's custom_id.
PAYPAL_CUSTOM_ID = 127


class PaymentTransaction(models.Model):
    """Payments go to the provider of the invoice's issuer, and count only when that provider confirms them."""

    _inherit = "payment.transaction"

    @api.constrains("provider_id", "invoice_ids")
    def _check_astpp_issuer(self):
        for transaction in self:
            owner = transaction.sudo().provider_id.astpp_issuer_id
            # A refund has no invoices of its own: check those of the original payment.
            paid = transaction.source_transaction_id or transaction
            issuers = paid.sudo().invoice_ids.astpp_issuer_id
            if (owner and issuers != owner) or (not owner and issuers._own_providers()):
                raise ValidationError(self.env._("This way to pay belongs to another issuer."))

    @api.constrains("amount", "invoice_ids", "currency_id")
    def _check_astpp_amount(self):
        """Refuse amounts that are zero, negative or above the open amount; Odoo accepts whatever it is sent.

        Transactions made from another one, such as refunds and partial captures, may differ and are not checked.
        """
        for transaction in self:
            moves = transaction.sudo().invoice_ids
            made_of_another = transaction.source_transaction_id or transaction.operation in ("refund", "validation")
            if transaction.state != "draft" or made_of_another or not moves.astpp_issuer_id:
                continue
            left = sum(moves.mapped("amount_residual"))
            # NaN compares as neither more nor less, so it must fail this test.
            if not transaction.amount > 0 or transaction.currency_id.compare_amounts(transaction.amount, left) > 0:
                raise ValidationError(self.env._("Enter an amount up to what is open."))

    def _send_api_request(self, method, endpoint, **kwargs):
        """Refuse the request when an answer is required but the call failed: see ``StrictPaypalController``."""
        try:
            return super()._send_api_request(method, endpoint, **kwargs)
        except ValidationError:
            if self.env.context.get("astpp_must_succeed"):
                raise Forbidden() from None
            raise

    def _extract_amount_data(self, payment_data):
        """Treat a missing PayPal amount as a mismatch, not an error."""
        amount = payment_data.get("amount") or {}
        if self.provider_code == "paypal" and not amount.get("value"):
            return {"amount": None, "currency_code": None}
        return super()._extract_amount_data(payment_data)

    def _apply_updates(self, payment_data):
        """Ignore PayPal notifications with a wrong amount or currency, and keep the capture's number once paid.

        Odoo's own check rejects only the first one: a second notification finds the transaction in error already and is
        processed.
        """
        if self.provider_code != "paypal" or not payment_data:
            return super()._apply_updates(payment_data)
        told, sign = self._extract_amount_data(payment_data), -1 if self.operation == "refund" else 1
        if (
            self.currency_id.compare_amounts(sign * (told["amount"] or 0), self.amount)
            or told["currency_code"] != self.currency_id.name
        ):
            return None
        capture = self.provider_reference if self.state == "done" else None
        res = super()._apply_updates(payment_data)
        if capture:
            self.provider_reference = capture
        return res

    def _paypal_prepare_order_payload(self):
        """Show the issuer's name on PayPal's page, not the operator's, and pass our reference to capture events."""
        payload = super()._paypal_prepare_order_payload()
        for unit in payload["purchase_units"]:
            unit["custom_id"] = self.reference[:PAYPAL_CUSTOM_ID]
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
