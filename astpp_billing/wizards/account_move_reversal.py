from odoo import api, fields, models


class AccountMoveReversal(models.TransientModel):
    """Crediting an invoice of usage: the accountant says what becomes of the usage."""

    _inherit = "account.move.reversal"

    astpp_has_usage = fields.Boolean(compute="_compute_astpp_has_usage")
    astpp_usage = fields.Selection(
        [("keep", "Stays on the credited invoice"), ("release", "Is billed again on the next invoice")],
        string="Usage",
        default="keep",
        required=True,
        help="Usage that is to be billed again becomes free when the credit note is confirmed.",
    )

    @api.depends("move_ids")
    def _compute_astpp_has_usage(self):
        for wizard in self:
            wizard.astpp_has_usage = any(move.astpp_run_id for move in wizard.move_ids)

    def _prepare_default_reversal(self, move):
        releases = self.astpp_usage == "release" and bool(move.astpp_run_id) and not move.astpp_usage_released
        return super()._prepare_default_reversal(move) | {"astpp_releases_usage": releases}
