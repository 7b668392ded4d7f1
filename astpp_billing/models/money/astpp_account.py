from collections import defaultdict

from odoo import models
from odoo.fields import Domain


class AstppAccount(models.Model):
    """Compute what an account may still spend."""

    _inherit = "astpp.account"

    def _funds_left(self):
        """Return {account: funds}: the funds that ASTPP last reported, plus changes that ASTPP does not know yet.

        Amounts are in the server's base currency. Changes of a kind that is not written back are made in ASTPP by hand:
        they count until the next synchronisation, and for good if the server is never synchronised.
        """
        queued = Domain("state", "in", ("waiting", "failed"))
        noted = Domain("state", "=", "off")
        # sudo: users who may see funds may have no access to the server's settings.
        for server in self.sudo().server_id:
            others = Domain("server_id", "!=", server.id)
            if server.write_from:
                queued &= others | Domain("create_date", ">=", server.write_from)
            if asked := server._funds_date():
                noted &= others | Domain("create_date", ">", asked)
        unheard = Domain("account_id", "in", self.ids) & (queued | noted)
        waiting = dict(self.env["astpp.outbox"].sudo()._read_group(unheard, ["account_id"], ["amount:sum"]))
        return defaultdict(float, {each: each.available_funds + waiting.get(each.sudo(), 0.0) for each in self})
