from odoo import api, models
from odoo.exceptions import UserError


class AstppIssuer(models.Model):
    """When issuers change, unbilled usage moves to the current issuer of its account."""

    _inherit = "astpp.issuer"

    @api.model_create_multi
    def create(self, vals_list):
        issuers = super().create(vals_list)
        issuers.account_id._denormalise_usage()
        return issuers

    def write(self, vals):
        before = self.account_id
        res = super().write(vals)
        if {"account_id", "active"} & vals.keys():
            (before | self.account_id)._denormalise_usage()
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        if self.env["astpp.usage"].sudo().search_count([("issuer_id", "in", self.ids)], limit=1):
            raise UserError(self.env._("It has usage. Archive it instead."))
