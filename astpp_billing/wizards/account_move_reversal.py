from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.astpp_guard_mixin import ours


class AccountMoveReversal(models.TransientModel):
    """Let the accountant choose what happens to the usage of a credited invoice.

    With *Reverse and Create Invoice* the new invoice bills it, whatever was chosen.
    """

    _inherit = "account.move.reversal"

    astpp_has_usage = fields.Boolean(compute="_compute_astpp_has_usage")
    astpp_usage = fields.Selection(
        [("keep", "Stays on the credited invoice"), ("release", "Is billed again on the next invoice")],
        string="Usage",
        default="keep",
        required=True,
        help="Usage that is to be billed again becomes free when the credit notes in force come to the whole invoice. "
        "With “Reverse and Create Invoice” it moves to the new invoice.",
    )

    @api.depends("move_ids")
    def _compute_astpp_has_usage(self):
        for wizard in self:
            wizard.astpp_has_usage = any(move.astpp_run_id for move in wizard.move_ids)

    def _prepare_default_reversal(self, move):
        chosen = self.astpp_usage == "release" or move.astpp_recognition_month or self.env.context.get("astpp_replaced")
        releases = bool(chosen) and move._astpp_bills_usage() and not move.astpp_usage_released
        return super()._prepare_default_reversal(move) | {"astpp_releases_usage": releases}

    def _modify_default_reverse_values(self, origin_move):
        values = super()._modify_default_reverse_values(origin_move)
        return values | ({"astpp_replaces_id": origin_move.id} if origin_move.astpp_run_id else {})

    @ours
    def reverse_moves(self, is_modify=False):
        """Reverse the invoices; replacement invoices bill the usage of those they replace.

        :raise UserError: when an invoice cannot be replaced by a new one
        """
        replaced = self.move_ids.filtered("astpp_run_id") if is_modify else self.move_ids.browse()
        if not is_modify:
            return super().reverse_moves(is_modify)
        if self.date > fields.Date.context_today(self) and replaced:
            raise UserError(
                self.env._(
                    "An invoice of usage is replaced when it is credited: choose a date that is not in the future."
                )
            )
        if topups := self.move_ids._astpp_topups():
            raise UserError(
                self.env._("%s is a top-up: credit its invoice, and sell a new top-up.", topups[0].move_id.display_name)
            )
        if free := replaced.filtered("astpp_usage_released"):
            raise UserError(self.env._("%s is credited already and its usage was set free.", free[0].display_name))
        wizard = self.with_context(astpp_replaced=True)
        action = super(AccountMoveReversal, wizard).reverse_moves(is_modify)
        for move in self.new_move_ids.filtered("astpp_replaces_id"):
            move._astpp_take_usage()
        return action
