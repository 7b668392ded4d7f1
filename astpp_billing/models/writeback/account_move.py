from decimal import Decimal

from odoo import models
from odoo.tools import SQL


class AccountMove(models.Model):
    """Payments of invoices lower what their accounts owe in ASTPP, including partial payments."""

    _inherit = "account.move"

    def _invoice_paid_hook(self):
        res = super()._invoice_paid_hook()
        self._astpp_queue_payments()
        return res

    def _astpp_queue_payments(self):
        """Queue, for each account, the difference between what is paid now and what was queued before.

        Taxes were never part of ASTPP's balance. Undoing a payment queues a negative one. So does settling a run's
        credit note, whose usage is a credit that ASTPP's balance already includes.
        """
        # What a credit note refunds was paid for the invoice whose usage it released.
        billed = (self | self.filtered("astpp_releases_usage").reversed_entry_id).filtered(
            lambda move: move.astpp_run_id and move.move_type in ("out_invoice", "out_refund")
        )
        if not billed:
            return
        names = {move.id: move.name for move in billed}
        shares = {move.id: move._astpp_paid_share() for move in billed}
        accounts = self.env["astpp.account"].sudo()
        entries = []
        for move_id, account_id, billed_amount, queued, times in billed._astpp_queued_payments():
            amount = Decimal(str(billed_amount)) * shares[move_id] - Decimal(str(queued))
            key = f"payment/{move_id}/{account_id}" + (f"/{times}" if times else "")
            text = self.env._("Payment of %s", names[move_id])
            entries.append((accounts.browse(account_id), round(amount, 5), key, text, move_id))
        self.env["astpp.outbox"]._enqueue_balances(entries)

    def _astpp_queued_payments(self):
        """Return rows of (invoice id, account id, amount billed, amount queued, number of changes queued).

        If an invoice's usage was released, its billed amount is the sum of its lines, split as the queued amounts are.
        """
        for model in ("account.move.line", "astpp.usage", "astpp.outbox"):
            self.env[model].flush_model()
        # Locked, so that the second of two simultaneous payments sees what the first one queued.
        self.env.execute_query(
            SQL("SELECT id FROM account_move WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", self.ids)
        )
        return self.env.execute_query(
            SQL(
                """
                WITH usage AS (
                    SELECT move_id, account_id, sum(amount) AS amount FROM (%(billed)s) AS billed GROUP BY 1, 2
                ), queued AS (
                    SELECT move_id, account_id, sum(amount) AS amount, count(*) AS times,
                           sum(amount) / NULLIF(sum(sum(amount)) OVER (PARTITION BY move_id), 0) AS part
                      FROM astpp_outbox WHERE move_id = ANY(%(ids)s) AND kind = 'payment' GROUP BY 1, 2
                ), lines AS (
                    SELECT move_id, sum(astpp_usage_amount) AS amount
                      FROM account_move_line WHERE move_id = ANY(%(ids)s) GROUP BY 1
                )
                SELECT move_id, account_id,
                       COALESCE(usage.amount, round(lines.amount * queued.part, 6), 0),
                       COALESCE(queued.amount, 0), COALESCE(queued.times, 0)
                  FROM usage FULL JOIN queued USING (move_id, account_id) LEFT JOIN lines USING (move_id)
                """,
                ids=self.ids,
                billed=self.env["astpp.usage"]._billed_query(self, "account_id"),
            )
        )

    def _astpp_paid_share(self):
        """Return the settled share of the invoice or credit note as a Decimal, at most 1.

        A credit note that releases usage to be billed again settles nothing, because ASTPP's balance still owes that
        usage. What such a credit note refunds no longer counts as paid.
        """
        self.ensure_one()
        total = Decimal(str(self.amount_total))
        if self.state != "posted" or not total:
            return Decimal(1) if self.state == "posted" else Decimal(0)
        # If the invoice's usage was released, its own credit notes settle nothing.
        settled = self._astpp_settled(
            lambda other: not other.astpp_releases_usage
            # ASTPP booked refills on its balance itself.
            and not other.astpp_is_refill
            and not (self.astpp_usage_released and other.reversed_entry_id == self)
        )
        paid = settled / total
        for credit_note in self.reversal_move_ids.filtered(lambda m: m.astpp_releases_usage and m.state == "posted"):
            paid -= credit_note._astpp_settled(lambda other: not other.is_invoice()) / total
        # Payments without a journal entry wait for a bank statement, but count as paid.
        bare = self.matched_payment_ids.filtered(
            lambda payment: not payment.move_id and payment.state in ("in_process", "paid")
        )
        for payment in bare if not settled else ():
            invoiced = abs(sum(payment.invoice_ids.mapped("amount_total_signed")))
            amount = payment.currency_id._convert(
                payment.amount, payment.company_id.currency_id, payment.company_id, payment.date
            )
            paid += Decimal(str(amount)) / Decimal(str(invoiced)) if invoiced else 0
        return min(paid, Decimal(1))

    def _astpp_settled(self, counts):
        """Return the amount settled by entries that count, in the document's currency.

        :param counts: function of the counterpart's ``account.move`` that tells whether it counts
        """
        self.ensure_one()
        receivable = self.line_ids.filtered(lambda line: line.account_id.account_type == "asset_receivable")
        amounts = [
            partial.debit_amount_currency
            for partial in receivable.matched_credit_ids
            if counts(partial.credit_move_id.move_id)
        ] + [
            -partial.credit_amount_currency
            for partial in receivable.matched_debit_ids
            if counts(partial.debit_move_id.move_id)
        ]
        return sum((Decimal(str(amount)) for amount in amounts), Decimal(0)) * (
            -1 if self.move_type == "out_refund" else 1
        )
