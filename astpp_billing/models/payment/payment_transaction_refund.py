from odoo import api, fields, models

# PayPal statuses of a refund that is not complete; in any other status the money has been returned.
UNFINISHED = ("PENDING", "FAILED", "CANCELLED")


class PaymentTransaction(models.Model):
    """Reopen invoices when PayPal has refunded or reversed their payment."""

    _inherit = "payment.transaction"

    astpp_paypal_refund = fields.Char(
        string="PayPal Refund", readonly=True, copy=False, help="PayPal's number of this refund or reversal."
    )

    _paypal_refund_uniq = models.UniqueIndex(
        "(source_transaction_id, astpp_paypal_refund) WHERE astpp_paypal_refund IS NOT NULL",
        "This refund of PayPal's is known already.",
    )

    @api.model
    def _paypal_of_capture(self, resource):
        """Return the payment that a PayPal capture, refund or reversal belongs to, or an empty recordset.

        :param dict resource: the ``resource`` of PayPal's event
        """
        ups = [link["href"] for link in resource.get("links", []) if link.get("rel") == "up"]
        order = resource.get("supplementary_data", {}).get("related_ids", {}).get("order_id")
        known = [name for name in (*(up.rsplit("/", 1)[-1] for up in ups), resource.get("id"), order) if name]
        payments = [("provider_code", "=", "paypal"), ("operation", "!=", "refund")]
        found = self.search([*payments, ("provider_reference", "in", known)], limit=1)
        if not found and (reference := resource.get("custom_id")):
            found = self.search([*payments, ("reference", "=", reference)], limit=1)
        return found

    def _paypal_refunded(self, resource, event_type):
        """Record that PayPal refunded or reversed part of this payment, once per refund.

        If PayPal sends the same refund twice at once, the unique index rejects the second one.

        :param dict resource: the refund as PayPal describes it
        :param str event_type: the event's PayPal name
        """
        self.ensure_one()
        amount = resource.get("amount") or {}
        # PayPal sometimes reports reversals as negative amounts.
        value = abs(float(amount.get("value") or 0))
        refund = self.child_transaction_ids.filtered(lambda child: child.astpp_paypal_refund == resource["id"])
        if not refund:
            if not self.is_post_processed:
                # Book the payment first: Odoo does not book a payment that already has refunds.
                self._post_process()
            others = self.child_transaction_ids.filtered(
                lambda child: child.operation == "refund" and child.state in ("pending", "done")
            )
            refund = self._create_child_transaction(
                value, is_refund=True, astpp_paypal_refund=resource["id"], provider_reference=resource["id"]
            )
            if self.currency_id.compare_amounts(value - sum(others.mapped("amount")), self.amount) > 0:
                refund._set_error(self.env._("PayPal reports that more was given back than paid."))
                return
        status = resource.get("status")
        told = {
            "id": resource["id"],
            "txn_type": event_type,
            "amount": {"value": str(value), "currency_code": amount.get("currency_code")},
            "status": status if status in UNFINISHED else "COMPLETED",
        }
        refund._process("paypal", told)

    def _create_payment(self, **extra_create_values):
        """Book a refund on the receivable account of its payment, or the two could not be reconciled."""
        if self.astpp_paypal_refund and (paid := self.source_transaction_id.payment_id):
            extra_create_values.setdefault("destination_account_id", paid.destination_account_id.id)
        return super()._create_payment(**extra_create_values)

    def _post_process(self):
        given_back = self.filtered(
            lambda tx: tx.astpp_paypal_refund and tx.state == "done" and not tx.is_post_processed
        )
        res = super()._post_process()
        for refund in given_back:
            refund._paypal_reopen_invoices()
        return res

    def _paypal_receivable(self):
        """Return the receivable items of the transaction's payment."""
        payment = self.payment_id
        return payment.move_id.line_ids.filtered(lambda line: line.account_id == payment.destination_account_id)

    def _paypal_reopen_invoices(self):
        """Reconcile the refund with the payment, which reopens the payment's invoices, the newest first."""
        self.ensure_one()
        source = self.source_transaction_id
        paid, given_back = source._paypal_receivable(), self._paypal_receivable()
        partials = paid.matched_debit_ids.filtered(lambda part: part.debit_move_id.move_id in source.invoice_ids)
        freed = self.env["account.move.line"]
        newest = partials.sorted(lambda part: (part.debit_move_id.date_maturity, part.debit_move_id.id), reverse=True)
        for partial in newest:
            if -sum(paid.mapped("amount_residual_currency")) >= sum(given_back.mapped("amount_residual_currency")):
                break
            freed |= partial.debit_move_id
            partial.unlink()
        (paid + given_back).reconcile()
        # Use what is left of the payment for the oldest invoices.
        for line in reversed(freed):
            if not all(paid.mapped("reconciled")):
                (paid + line).reconcile()
        self._paypal_tell(freed.move_id)

    def _paypal_tell(self, moves):
        """Tell followers and the responsible user why these invoices are open again."""
        reversed_by_paypal = self.paypal_type == "PAYMENT.CAPTURE.REVERSED"
        for move in moves:
            # The salesperson of a top-up's invoice may be the customer, who made it on the portal: skip portal users.
            seller = move.invoice_user_id.filtered(lambda user: not user.share)
            amount = self.currency_id.format(-self.amount)
            text = (
                self.env._("PayPal reversed %(amount)s of %(invoice)s.", amount=amount, invoice=move.name)
                if reversed_by_paypal
                else self.env._("PayPal refunded %(amount)s of %(invoice)s.", amount=amount, invoice=move.name)
            )
            move.message_post(body=text)
            move.activity_schedule(
                "mail.mail_activity_data_warning",
                user_id=(move.astpp_account_id.server_id.responsible_id or seller or self.env.user).id,
                summary=text,
                note=self.env._("The invoice is open again: credit it, or have it paid once more."),
            )
