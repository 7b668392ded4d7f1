from odoo import fields, models


class AstppCloseReason(models.Model):
    """Why subscriptions end, for the churn report."""

    _name = "astpp.close.reason"
    _description = "Close Reason"
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
