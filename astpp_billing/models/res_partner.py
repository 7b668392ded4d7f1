from odoo import fields, models


class ResPartner(models.Model):
    """A customer of one or more ASTPP accounts."""

    _inherit = "res.partner"

    astpp_one_invoice = fields.Boolean(
        string="One Invoice for All Accounts",
        help="Accounts of this customer that are due at the same time, with one issuer and currency, share an invoice.",
    )
