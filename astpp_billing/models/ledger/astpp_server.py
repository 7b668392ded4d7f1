from odoo import models
from odoo.exceptions import UserError


class AstppServer(models.Model):
    """A server whose amounts are in the ledger keeps the currency that they are in."""

    _inherit = "astpp.server"

    def write(self, vals):
        if "currency_id" in vals:
            for server in self:
                if server.currency_id.id not in (vals["currency_id"], False) and server._has_usage():
                    raise UserError(
                        self.env._(
                            "The ledger has usage of %(server)s in %(currency)s: its base currency cannot be changed any more.",
                            server=server.name,
                            currency=server.currency_id.name,
                        )
                    )
        return super().write(vals)

    def _has_usage(self):
        """Tell whether the ledger has usage of the server."""
        self.ensure_one()
        # sudo: usage of all companies counts.
        return bool(self.env["astpp.usage"].sudo().search_count([("server_id", "=", self.id)], limit=1))
