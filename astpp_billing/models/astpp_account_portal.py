from odoo import api, models
from odoo.fields import Domain


class AstppAccount(models.Model):
    """Which accounts belong to the portal user who asks."""

    _inherit = "astpp.account"

    @api.model
    def _portal_accounts(self):
        """Return the accounts of the user's customer, sudoed: portal users have no right on the model."""
        partner = self.env.user.partner_id.commercial_partner_id
        if self.env.user._is_public() or not partner:
            return self.sudo().browse()
        domain = [("partner_id", "child_of", partner.id), ("account_type", "!=", "provider")]
        return self.sudo().search(domain)

    @api.model
    def _portal_resellers(self):
        """Return those of them that are resellers."""
        return self._portal_accounts().filtered(lambda account: account.account_type == "reseller")

    @api.model
    def _portal_below_domain(self):
        """Return the domain of the accounts below the user's resellers, at any level, they themselves left out."""
        resellers = self._portal_resellers()
        if not resellers:
            return Domain.FALSE
        return Domain("id", "child_of", resellers.ids) & Domain("id", "not in", resellers.ids)
