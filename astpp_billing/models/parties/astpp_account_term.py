from datetime import datetime

from odoo import fields, models

# From when the first terms of an account are valid.
BEGINNING = datetime(1970, 1, 1)


class AstppAccountTerm(models.Model):
    """The terms of an account from a moment on: under whom, for whom and in what mode it is used.

    A usage line belongs to the terms of its own date, whatever the account is today. Rows are written when the account
    changes; accountants correct their dates and values.
    """

    _name = "astpp.account.term"
    _description = "Account Terms"
    _order = "account_id, date_from desc"
    _rec_name = "date_from"

    account_id = fields.Many2one("astpp.account", required=True, ondelete="cascade")
    server_id = fields.Many2one(related="account_id.server_id")
    company_id = fields.Many2one(related="account_id.company_id", store=True, index=True)
    date_from = fields.Datetime(
        string="Valid From", required=True, default=fields.Datetime.now, help="Usage from this moment on, in UTC."
    )
    parent_id = fields.Many2one(
        "astpp.account",
        string="Reseller",
        domain="[('account_type', '=', 'reseller'), ('server_id', '=', server_id)]",
        ondelete="restrict",
    )
    issuer_id = fields.Many2one("astpp.issuer", string="Invoiced By", ondelete="set null")
    partner_id = fields.Many2one("res.partner", string="Customer", required=True, ondelete="restrict")
    payment_mode = fields.Selection([("postpaid", "Postpaid"), ("prepaid", "Prepaid")], required=True)
    elsewhere = fields.Boolean(
        string="Billed Elsewhere",
        help="Usage of this time was invoiced by somebody else, ASTPP for instance: it is history, and on no invoice.",
    )

    _date_uniq = models.UniqueIndex("(account_id, date_from)", "The account has terms from this moment on already.")
