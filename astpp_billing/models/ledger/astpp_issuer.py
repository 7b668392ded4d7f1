from odoo import api, models
from odoo.exceptions import UserError


class AstppIssuer(models.Model):
    """When issuers change, unbilled usage moves to the current issuer of its account."""

    _inherit = "astpp.issuer"

    @api.model_create_multi
    def create(self, vals_list):
        issuers = super().create(vals_list)
        issuers._take_accounts(issuers.account_id)
        return issuers

    def write(self, vals):
        before = self.account_id
        res = super().write(vals)
        if {"account_id", "active"} & vals.keys():
            self._take_accounts(before | self.account_id)
        return res

    def unlink(self):
        resellers = self.account_id
        res = super().unlink()
        self._take_accounts(resellers)
        return res

    @api.model
    def _take_accounts(self, resellers):
        """Have what is not invoiced yet of the accounts below these resellers be invoiced by the issuer they have now."""
        accounts = resellers._below()
        accounts._follow_issuers()
        self.env["astpp.usage"]._reterm(accounts)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        # sudo: usage of all companies counts.
        if self.env["astpp.usage"].sudo().search_count([("issuer_id", "in", self.ids)], limit=1):
            raise UserError(self.env._("It has usage. Archive it instead."))
        # Running terms go on with the issuer that their account has then; former ones would have none.
        # sudo: as above, terms of all companies count.
        former = self.env["astpp.account.term"].sudo().search([("issuer_id", "in", self.ids)])
        if former.filtered(lambda term: term.parent_id != term.account_id.parent_id):
            raise UserError(self.env._("Accounts had it as their issuer. Archive it instead."))
