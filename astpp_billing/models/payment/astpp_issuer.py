from odoo import models


class AstppIssuer(models.Model):
    """Who has an account of his own to be paid to."""

    _inherit = "astpp.issuer"

    def _own_providers(self):
        """Return the providers that customers pay these issuers with, instead of the operator's; sudoed."""
        if not self:
            return self.env["payment.provider"]
        # Whose a provider is, is a system administrator's setting.
        return (
            self.env["payment.provider"]
            .sudo()
            .search([("astpp_issuer_id", "in", self.ids), ("state", "!=", "disabled"), ("is_published", "=", True)])
        )
