from odoo import fields, models
from odoo.exceptions import UserError


class AccountMove(models.Model):
    """A document issued in a reseller's name is settled with him once."""

    _inherit = "account.move"

    astpp_settlement_id = fields.Many2one(
        "astpp.settlement", string="Settlement", readonly=True, copy=False, index="btree_not_null", ondelete="restrict"
    )

    def button_draft(self):
        settled = self.filtered(lambda move: move.sudo().astpp_settlement_id.state == "done")
        if settled:
            raise UserError(
                self.env._("%s is settled with the reseller. Make a credit note instead.", settled[0].display_name)
            )
        # A draft of a settlement lets it go.
        self.sudo().astpp_settlement_id = False
        return super().button_draft()
