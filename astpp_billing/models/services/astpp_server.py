from odoo import fields, models


class AstppServer(models.Model):
    """What happens to the subscriptions of an account that is active again."""

    _inherit = "astpp.server"

    on_reactivation = fields.Selection(
        [("resume", "Resume by itself"), ("ask", "Ask by an activity")],
        string="Reactivated Accounts",
        default="ask",
        required=True,
        tracking=True,
        help="Whether subscriptions that were suspended with their account are resumed when it is active again.",
    )
