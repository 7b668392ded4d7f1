from odoo import fields, models


class AstppIssuer(models.Model):
    """How an issuer is paid: through the issuer's own providers, or by payments received directly."""

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
        """Return, sudoed, these issuers' own payment providers, which replace the operator's."""
        if not self:
            return self.env["payment.provider"]
        # sudo: only system administrators may read which issuer a provider belongs to.
        return (
            self.env["payment.provider"]
            .sudo()
            .search([("astpp_issuer_id", "in", self.ids), ("state", "!=", "disabled"), ("is_published", "=", True)])
        )
