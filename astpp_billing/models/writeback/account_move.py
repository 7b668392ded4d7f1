from decimal import Decimal

from odoo import models
from odoo.tools import SQL


class AccountMove(models.Model):
    """What is paid of an invoice lowers what its accounts owe in ASTPP, in parts as it is paid."""

    _inherit = "account.move"

    def _invoice_paid_hook(self):
        res = super()._invoice_paid_hook()
        self._astpp_queue_payments()
        return res

    def _astpp_queue_payments(self):
        """Queue, for each account, the difference between what is paid and what was queued before.

        Taxes never were on ASTPP's balance. A payment that is undone comes back as a negative one, and so does
        what is settled of a run's credit note: its usage is a credit that ASTPP's balance has already.
        """
        # Money that a credit note gives back was paid for the invoice whose usage it set free.
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
        """Return rows (invoice's id, account's id, amount billed, amount queued, number of changes queued).

        An invoice whose usage was set free is worth what its lines say, in the proportions that were queued.
        """
        for model in ("account.move.line", "astpp.usage", "astpp.outbox"):
            self.env[model].flush_model()
        # Of two payments at the same moment the second one has to see what the first one queued.
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
        """Return which part of the invoice or credit note is settled, as Decimal, 1 at most.

        A credit note that has usage billed again settles nothing: ASTPP's balance goes on owing it. What it
        pays back is no longer paid.
        """
        self.ensure_one()
        total = Decimal(str(self.amount_total))
        if self.state != "posted" or not total:
            return Decimal(1) if self.state == "posted" else Decimal(0)
        # Of an invoice whose usage is free again, no credit note settles anything.
        settled = self._astpp_settled(
            lambda other: not other.astpp_releases_usage
            # ASTPP took it itself.
            and not other.astpp_is_refill
            and not (self.astpp_usage_released and other.reversed_entry_id == self)
        )
        paid = settled / total
        for credit_note in self.reversal_move_ids.filtered(lambda m: m.astpp_releases_usage and m.state == "posted"):
            paid -= credit_note._astpp_settled(lambda other: not other.is_invoice()) / total
        # Payments without an entry of their own wait for the bank statement.
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
        """Return how much is settled by entries that count, in the document's currency.

        :param counts: function that tells whether the entry on the other side does
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
