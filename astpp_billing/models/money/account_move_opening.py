from odoo import fields, models


class AccountMoveLine(models.Model):
    """A line that begins a customer's balance: see ``astpp.opening``."""

    _inherit = "account.move.line"

    astpp_opening_id = fields.Many2one(
        "astpp.opening", string="Opening Item", readonly=True, copy=False, index="btree_not_null", ondelete="set null"
    )

    _opening_uniq = models.UniqueIndex(
        "(astpp_opening_id) WHERE astpp_opening_id IS NOT NULL AND parent_state != 'cancel'",
        "An opening item is on one entry only.",
    )


class AccountMove(models.Model):
    """An entry of opening items shows its lines also to those who see no journal items otherwise."""

    _inherit = "account.move"

    astpp_is_opening = fields.Boolean(string="Opening Entry", readonly=True, copy=False)
