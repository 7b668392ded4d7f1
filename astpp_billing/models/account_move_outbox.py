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

        Taxes never were on ASTPP's balance. A payment that is undone comes back as a negative one.
        """
        billed = self.filtered(lambda move: move.astpp_run_id and move.move_type == "out_invoice")
        if not billed:
            return
        self.env["astpp.usage"].flush_model()
        self.env["astpp.outbox"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT usage.move_id, usage.account_id, usage.amount, COALESCE(queued.amount, 0), COALESCE(queued.times, 0)
                  FROM (SELECT move_id, account_id, sum(amount) AS amount
                          FROM astpp_usage WHERE move_id = ANY(%(ids)s) GROUP BY 1, 2) AS usage
             LEFT JOIN (SELECT move_id, account_id, sum(amount) AS amount, count(*) AS times
                          FROM astpp_outbox WHERE move_id = ANY(%(ids)s) AND kind = 'payment' GROUP BY 1, 2) AS queued
                       USING (move_id, account_id)
                """,
                ids=billed.ids,
            )
        )
        names = {move.id: move.name for move in billed}
        shares = {move.id: move._astpp_paid_share() for move in billed}
        accounts = self.env["astpp.account"].sudo()
        entries = []
        for move_id, account_id, billed_amount, queued, times in rows:
            amount = Decimal(str(billed_amount)) * shares[move_id] - Decimal(str(queued))
            key = f"payment/{move_id}/{account_id}" + (f"/{times}" if times else "")
            text = self.env._("Payment of %s", names[move_id])
            entries.append((accounts.browse(account_id), round(amount, 5), key, text, move_id))
        self.env["astpp.outbox"]._enqueue_balances(entries)

    def _astpp_paid_share(self):
        """Return which part of the invoice is settled, as Decimal from 0 to 1.

        A credit note that has usage billed again settles nothing: ASTPP's balance goes on owing it.
        """
        self.ensure_one()
        total = Decimal(str(self.amount_total))
        if self.state != "posted" or not total:
            return Decimal(1) if self.state == "posted" else Decimal(0)
        receivable = self.line_ids.filtered(lambda line: line.account_id.account_type == "asset_receivable")
        partials = receivable.matched_credit_ids.filtered(
            lambda partial: not partial.credit_move_id.move_id.astpp_releases_usage
        )
        paid = sum((Decimal(str(partial.debit_amount_currency)) for partial in partials), Decimal(0)) / total
        # Payments without an entry of their own wait for the bank statement.
        bare = self.matched_payment_ids.filtered(
            lambda payment: not payment.move_id and payment.state in ("in_process", "paid")
        )
        for payment in bare if not partials else ():
            invoiced = sum(payment.invoice_ids.mapped("amount_total_signed"))
            amount = payment.currency_id._convert(
                payment.amount, payment.company_id.currency_id, payment.company_id, payment.date
            )
            paid += Decimal(str(amount)) / Decimal(str(invoiced)) if invoiced else 0
        return min(paid, Decimal(1))
