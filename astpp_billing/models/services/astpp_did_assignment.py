from odoo import fields, models


class AstppDidAssignment(models.Model):
    """An owner of a number, from one date to another."""

    _name = "astpp.did.assignment"
    _description = "Owner of a DID"
    _order = "date_start desc, id desc"
    _rec_name = "did_id"

    did_id = fields.Many2one("astpp.did", string="DID", required=True, ondelete="restrict", index=True, readonly=True)
    company_id = fields.Many2one(related="did_id.company_id", store=True)
    account_id = fields.Many2one("astpp.account", required=True, ondelete="restrict", index=True, readonly=True)
    subscription_id = fields.Many2one("astpp.subscription", ondelete="set null", readonly=True)
    held_before_id = fields.Many2one(
        "astpp.account", string="Held Before by", readonly=True, help="The reseller that held the number until then."
    )
    date_start = fields.Datetime(string="From", required=True, default=fields.Datetime.now, readonly=True)
    date_end = fields.Datetime(string="Until", readonly=True)

    _owner_uniq = models.UniqueIndex("(did_id) WHERE date_end IS NULL", "This number has an owner already.")
