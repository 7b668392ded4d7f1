from odoo import fields, models


class AstppOutboxSkip(models.TransientModel):
    """Give changes for ASTPP up, and say why."""

    _name = "astpp.outbox.skip"
    _description = "Skip Changes for ASTPP"

    outbox_ids = fields.Many2many("astpp.outbox", string="Changes", required=True)
    reason = fields.Char(required=True, help="For instance: made in ASTPP by hand.")

    def action_skip(self):
        """Skip them; the account's other changes go on."""
        self.ensure_one()
        self.outbox_ids._skip(self.reason)
        return {"type": "ir.actions.act_window_close"}
