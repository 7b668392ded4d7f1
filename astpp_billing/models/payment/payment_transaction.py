from werkzeug.exceptions import Forbidden

from odoo import api, models
from odoo.exceptions import ValidationError

# The longest custom_id that PayPal takes.
PAYPAL_CUSTOM_ID = 127


class PaymentTransaction(models.Model):
    """Payments go to the account of who issued the invoice, and only when their provider says so."""

    _inherit = "payment.transaction"

    @api.constrains("provider_id", "invoice_ids")
    def _check_astpp_issuer(self):
        for transaction in self:
            owner = transaction.sudo().provider_id.astpp_issuer_id
            # A refund has no invoices of its own.
            paid = transaction.source_transaction_id or transaction
            issuers = paid.sudo().invoice_ids.astpp_issuer_id
            if (owner and issuers != owner) or (not owner and issuers._own_providers()):
                raise ValidationError(self.env._("This way to pay belongs to another issuer."))

    @api.constrains("amount", "invoice_ids", "currency_id")
    def _check_astpp_amount(self):
        """Refuse to pay nothing, less than nothing, or more than is open; Odoo takes any amount that it is sent.

        What providers report later is another amount only for refunds and parts, which are transactions of others.
        """
        for transaction in self:
            moves = transaction.sudo().invoice_ids
            made_of_another = transaction.source_transaction_id or transaction.operation in ("refund", "validation")
            if transaction.state != "draft" or made_of_another or not moves.astpp_issuer_id:
                continue
            left = sum(moves.mapped("amount_residual"))
            # Not a number is neither more nor less.
            if not transaction.amount > 0 or transaction.currency_id.compare_amounts(transaction.amount, left) > 0:
                raise ValidationError(self.env._("Enter an amount up to what is open."))

    def _send_api_request(self, method, endpoint, **kwargs):
        """Let no failed request pass as an answer where the answer decides: see ``StrictPaypalController``."""
        try:
            return super()._send_api_request(method, endpoint, **kwargs)
        except ValidationError:
            if self.env.context.get("astpp_must_succeed"):
                raise Forbidden() from None
            raise

    def _extract_amount_data(self, payment_data):
        """Take an amount that PayPal does not tell for a wrong one, not for a fault."""
        amount = payment_data.get("amount") or {}
        if self.provider_code == "paypal" and not amount.get("value"):
            return {"amount": None, "currency_code": None}
        return super()._extract_amount_data(payment_data)

    def _apply_updates(self, payment_data):
        """Let a wrong amount or currency pay nothing, however often it comes, and keep the capture's number.

        Odoo's check stops a payment the first time only: a second notification finds the transaction in error
        already, and goes on.
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
        """Show the issuer's name on PayPal's page, not the operator's; name the payment to events of its capture."""
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
