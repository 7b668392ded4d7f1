from odoo import api, models


class AccountPartialReconcile(models.Model):
    """Queue what ASTPP must know whenever an invoice is reconciled, even in part, or unreconciled."""

    _inherit = "account.partial.reconcile"

    @api.model_create_multi
    def create(self, vals_list):
        partials = super().create(vals_list)
        (partials.debit_move_id | partials.credit_move_id).move_id._astpp_queue_payments()
        return partials

    def unlink(self):
        moves = (self.debit_move_id | self.credit_move_id).move_id.filtered(
            lambda move: move.astpp_run_id or move.astpp_releases_usage
        )
        res = super().unlink()
        moves.exists()._astpp_queue_payments()
        return res
