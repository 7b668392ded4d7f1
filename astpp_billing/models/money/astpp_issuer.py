from odoo import fields, models
from odoo.fields import Command


class AstppIssuer(models.Model):
    """Remember an issuer's earlier clearing accounts: documents are settled from the one they were booked on."""

    _inherit = "astpp.issuer"

    clearing_history_ids = fields.Many2many(
        "account.account",
        "astpp_issuer_clearing_history",
        string="Earlier Clearing Accounts",
        readonly=True,
        copy=False,
        help="Documents of before are settled from these.",
    )

    def write(self, vals):
        if "clearing_account_id" in vals:
            for issuer in self.filtered(lambda i: i.clearing_account_id.id not in (False, vals["clearing_account_id"])):
                issuer.clearing_history_ids = [Command.link(issuer.clearing_account_id.id)]
        return super().write(vals)
