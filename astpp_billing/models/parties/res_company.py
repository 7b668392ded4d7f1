from odoo import fields, models


class ResCompany(models.Model):
    """The issuer that represents a company."""

    _inherit = "res.company"

    astpp_operator_ids = fields.One2many(
        "astpp.issuer",
        "company_id",
        string="ASTPP Operator",
        domain=[("account_id", "=", False)],
        help="The issuer that stands for the company itself, one at most.",
    )
