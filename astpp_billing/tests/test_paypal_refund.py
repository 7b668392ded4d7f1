from psycopg2 import IntegrityError

from odoo.tests import tagged
from odoo.tools import mute_logger

from .paypal_common import PaypalCommon

REVERSED = "PAYMENT.CAPTURE.REVERSED"


@tagged("post_install", "-at_install")
class TestPaypalRefund(PaypalCommon):
    """A refund by PayPal is booked once and reopens the invoice."""

    def refunds(self, transaction):
        return transaction.child_transaction_ids.filtered(lambda child: child.operation == "refund")

    def assertRefunded(self, transaction, *amounts, open_amount):
        """The refunds are booked and reconciled with the payment, and the invoice is open for the missing amount."""
        self.env.invalidate_all()
        refunds = self.refunds(transaction).filtered(lambda child: child.state == "done").sorted("id")
        self.assertEqual(refunds.mapped("amount"), [-amount for amount in amounts])
        self.assertEqual(refunds.payment_id.mapped("payment_type"), ["outbound"] * len(amounts))
        self.assertEqual(refunds.payment_id.sorted("id").mapped("amount"), list(amounts))
        for refund in refunds:
            self.assertTrue(refund._paypal_receivable().reconciled)
        self.assertAlmostEqual(self.move.amount_residual, open_amount)
        owed = self.move.commercial_partner_id.credit
        self.assertAlmostEqual(owed, open_amount, msg="the customer owes what is open, and nothing else")

    def test_refunded(self):
        transaction = self.paid()
        event = self.paypal.give_back(transaction.provider_reference, self.amount)
        for _replay in range(3):
            self.assertEqual(self.tell(event), 200)
            self.book()
        self.assertRefunded(transaction, self.amount, open_amount=self.amount)
        self.assertEqual(self.move.payment_state, "not_paid")
        self.assertEqual(transaction.state, "done")
        activity = self.move.activity_ids
        self.assertEqual(len(activity), 1)
        self.assertIn("PayPal refunded", activity.summary)
        self.assertIn("PayPal refunded", " ".join(self.move.message_ids.mapped("body")))
        self.assertTrue(self.move._has_to_be_paid())

    def test_paid_again(self):
        """A reversed payment is made again; ASTPP learns of each change."""
        first = self.paid()
        self.tell(self.paypal.give_back(first.provider_reference, self.amount, REVERSED))
        self.book()
        self.assertIn("PayPal reversed", self.move.activity_ids.summary)
        second = self.paid()
        self.assertIn(self.move.payment_state, ("paid", "in_payment"))
        self.assertEqual(second.payment_id.amount, self.amount)
        queued = self.env["astpp.outbox"].sudo().search([("move_id", "=", self.move.id)], order="id").mapped("amount")
        self.assertEqual(queued, [queued[0], -queued[0], queued[0]])
        # A late webhook of the first payment changes nothing.
        with mute_logger("odoo.addons.payment.models.payment_transaction"):
            self.tell(self.paypal.events[0])
        self.book()
        self.assertIn(self.move.payment_state, ("paid", "in_payment"))

    def test_in_parts(self):
        transaction = self.paid()
        capture = transaction.provider_reference
        first = self.paypal.give_back(capture, 15)
        self.tell(first)
        self.book()
        self.assertRefunded(transaction, 15, open_amount=15)
        self.assertEqual(self.move.payment_state, "partial")
        self.tell(self.paypal.give_back(capture, 20, REVERSED))
        self.tell(first)
        self.book()
        self.assertRefunded(transaction, 15, 20, open_amount=35)
        self.tell(self.paypal.give_back(capture, self.amount - 35))
        self.book()
        self.assertRefunded(transaction, 15, 20, self.amount - 35, open_amount=self.amount)

    def test_more_than_was_paid(self):
        transaction = self.paid()
        self.tell(self.paypal.give_back(transaction.provider_reference, self.amount))
        self.tell(self.paypal.give_back(transaction.provider_reference, 1))
        self.book()
        self.assertRefunded(transaction, self.amount, open_amount=self.amount)
        self.assertIn("more was given back", " ".join(self.move.message_ids.mapped("body")))

    def test_pending_and_failed(self):
        transaction = self.paid()
        capture = transaction.provider_reference
        waiting = self.paypal.give_back(capture, 15, status="PENDING")
        self.tell(waiting)
        self.tell(self.paypal.give_back(capture, 25, status="FAILED"))
        self.book()
        self.assertRefunded(transaction, open_amount=0)
        waiting["resource"]["status"] = "COMPLETED"
        self.tell(waiting)
        self.book()
        self.assertRefunded(transaction, 15, open_amount=15)

    def test_wrong_currency(self):
        transaction = self.paid()
        event = self.paypal.give_back(transaction.provider_reference, 15)
        event["resource"]["amount"]["currency_code"] = "EUR"
        for _replay in range(2):
            with mute_logger("odoo.addons.payment.models.payment_transaction"):
                self.tell(event)
            self.book()
        self.assertEqual(self.refunds(transaction).state, "error")
        self.assertRefunded(transaction, open_amount=0)

    def test_unverified(self):
        transaction = self.paid()
        event = self.paypal.give_back(transaction.provider_reference, 15)
        with mute_logger("odoo.addons.payment_paypal.controllers.main", "odoo.addons.payment.models.payment_provider"):
            self.assertEqual(self.tell(event, signed_as={"id": "another"}), 403)
            self.paypal.faults["verify-webhook-signature"] = 500
            self.assertEqual(self.tell(event), 403)
        self.assertFalse(self.refunds(transaction))

    def test_before_its_payment(self):
        """A refund that arrives before its payment is sent again later; it also waits until the payment is booked."""
        transaction, order = self.started()
        self.paypal.orders[order]["status"] = "APPROVED"
        self.paypal._capture(order)
        [completed] = self.paypal.events
        refund = self.paypal.give_back(completed["resource"]["id"], 15, custom_id=transaction.reference)
        self.assertEqual(self.tell(refund), 409)
        self.tell(completed)
        self.assertEqual(self.tell(refund), 200)
        self.book()
        self.assertRefunded(transaction, 15, open_amount=15)

    def test_once_in_the_database(self):
        transaction = self.paid()
        values = {"is_refund": True, "astpp_paypal_refund": "R1"}
        transaction._create_child_transaction(5, **values)
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            transaction._create_child_transaction(5, **values)

    def test_of_several_invoices(self):
        """As many of the newest invoices are reopened as needed; the others stay paid."""
        self.load(self.row(self.customer, debit="30", callstart="2024-02-15 12:00:00"))
        second = self.bill(self.customer, date="2024-03-01", invoice_date="2024-03-01").move_ids
        both = self.move + second
        transaction = self._create_transaction(
            "direct", provider_id=self.provider.id, payment_method_id=self.method.id, partner_id=self.customer.partner_id.id,
            amount=sum(both.mapped("amount_residual")), currency_id=self.move.currency_id.id, reference="BATCH/1",
            invoice_ids=[(6, 0, both.ids)],
        )  # fmt: skip
        order = transaction._get_processing_values()["order_id"]
        self.approved(order)
        self.book()
        self.assertEqual(set(both.mapped("amount_residual")), {0})
        self.tell(self.paypal.give_back(transaction.provider_reference, 10))
        self.book()
        self.assertEqual((second.amount_residual, self.move.amount_residual), (10, 0))
        self.assertFalse(self.move.activity_ids)
        self.tell(self.paypal.give_back(transaction.provider_reference, second.amount_total))
        self.book()
        self.assertEqual((second.amount_residual, self.move.amount_residual), (second.amount_total, 10))

    def test_at_a_resellers_provider(self):
        self.load(self.row(self.reseller_customer, debit="100"))
        move = self.bill(self.reseller_customer).move_ids.filtered(
            lambda each: each.astpp_issuer_id == self.reseller_issuer
        )
        account = {"paypal_email_account": "b@example.com", "paypal_client_id": "C1", "paypal_client_secret": "S1"}
        own = self.provider.copy({"name": "PayPal of Reseller", "astpp_issuer_id": self.reseller_issuer.id})
        own.write({**account, "paypal_webhook_id": "W1", "state": "test", "is_published": True})
        transaction = self._create_transaction(
            "direct", provider_id=own.id, payment_method_id=self.method.id, partner_id=move.partner_id.id,
            amount=move.amount_residual, currency_id=move.currency_id.id, reference=move.name,
            invoice_ids=[(6, 0, move.ids)],
        )  # fmt: skip
        self.approved(transaction._get_processing_values()["order_id"])
        self.book()
        self.assertIn(move.payment_state, ("paid", "in_payment"))
        self.assertEqual(self.tell(self.paypal.give_back(transaction.provider_reference, move.amount_total)), 200)
        self.book()
        self.assertEqual(move.payment_state, "not_paid")
