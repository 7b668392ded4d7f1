from odoo import fields, models


class AstppIssuer(models.Model):
    """Where an issuer is paid: through providers of his own, or by what he received himself."""

    _inherit = "astpp.issuer"

    payment_journal_id = fields.Many2one(
        "account.journal",
        string="Payments to the Reseller",
        domain="[('type', 'in', ('bank', 'cash')), ('company_id', '=', company_id)]",
        check_company=True,
        help="Books payments that the reseller received himself and registers on the portal; the journal's account is "
        "what he owes. Empty: he registers none.",
    )

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
