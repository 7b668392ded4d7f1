from odoo import fields, models


class AstppOutboxSkip(models.TransientModel):
    """Skip changes for ASTPP and record the reason."""

    _name = "astpp.outbox.skip"
    _description = "Skip Changes for ASTPP"

    outbox_ids = fields.Many2many("astpp.outbox", string="Changes", required=True)
    reason = fields.Char(required=True, help="For instance: made in ASTPP by hand.")

    def action_skip(self):
        """Skip the changes, so that the account's other changes can proceed."""
        self.ensure_one()
        self.outbox_ids._skip(self.reason)
        return {"type": "ir.actions.act_window_close"}
