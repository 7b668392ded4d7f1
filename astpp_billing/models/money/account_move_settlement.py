from odoo import fields, models
from odoo.exceptions import UserError


class AccountMove(models.Model):
    """Each document issued in a reseller's name is settled with the reseller once."""

    _inherit = "account.move"

    astpp_settlement_id = fields.Many2one(
        "astpp.settlement", string="Settlement", readonly=True, copy=False, index="btree_not_null", ondelete="restrict"
    )

    astpp_bills_settlement = fields.Boolean(
        string="Bills a Settlement", readonly=True, copy=False, help="Made by a settlement with a reseller."
    )

    def write(self, vals):
        res = super().write(vals)
        if vals.get("state") == "cancel":
            self._astpp_reopen_settlements()
        return res

    def unlink(self):
        self._astpp_reopen_settlements()
        return super().unlink()

    def _astpp_reopen_settlements(self):
        """Reopen the settlements that these vendor bills were made for."""
        if bills := self.filtered("astpp_bills_settlement"):
            # sudo: whoever may cancel a bill may have no access to settlements.
            self.env["astpp.settlement"].sudo().search([("bill_id", "in", bills.ids)])._reopen()

    def button_draft(self):
        if gone := self.filtered(lambda move: move.astpp_bills_settlement and move.state == "cancel"):
            raise UserError(
                self.env._(
                    "%s was cancelled, and what it paid may be on another bill by now. Settle with the reseller again.",
                    gone[0].display_name,
                )
            )
        settled = self.filtered(lambda move: move.sudo().astpp_settlement_id.state == "done")
        if settled:
            raise UserError(
                self.env._("%s is settled with the reseller. Make a credit note instead.", settled[0].display_name)
            )
        # A document that goes back to draft leaves its settlement.
        self.sudo().astpp_settlement_id = False
        return super().button_draft()
