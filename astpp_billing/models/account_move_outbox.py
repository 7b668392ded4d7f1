from odoo import models
from odoo.tools import SQL


class AccountMove(models.Model):
    """A paid invoice lowers what its accounts owe in ASTPP."""

    _inherit = "account.move"

    def _invoice_paid_hook(self):
        res = super()._invoice_paid_hook()
        paid = self.filtered(
            lambda move: move.astpp_run_id
            and move.move_type == "out_invoice"
            and move.payment_state in ("paid", "in_payment")
        )
        paid._astpp_queue_payments()
        return res

    def _astpp_queue_payments(self):
        """Queue what these invoices billed of each account, once: taxes never were on ASTPP's balance."""
        if not self:
            return
        self.env["astpp.usage"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT u.move_id, u.account_id, sum(u.amount) FROM astpp_usage u
                 WHERE u.move_id = ANY(%s)
                   AND NOT EXISTS (SELECT 1 FROM astpp_outbox o
                                    WHERE o.server_id = u.server_id AND o.key = 'payment/' || u.move_id || '/' || u.account_id)
              GROUP BY 1, 2
                """,
                self.ids,
            )
        )
        names = {move.id: move.name for move in self}
        accounts = self.env["astpp.account"].sudo()
        self.env["astpp.outbox"]._enqueue_balances(
            (
                accounts.browse(account_id),
                amount,
                f"payment/{move_id}/{account_id}",
                self.env._("Payment of %s", names[move_id]),
            )
            for move_id, account_id, amount in rows
        )
