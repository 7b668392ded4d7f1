from collections import defaultdict

from odoo import models
from odoo.fields import Domain


class AstppAccount(models.Model):
    """What an account may still spend."""

    _inherit = "astpp.account"

    def _funds_left(self):
        """Return {account: funds}: what ASTPP said last, and what it has not heard of yet.

        Amounts in the server's base currency. What is not written is made in ASTPP by hand: it counts until ASTPP is
        asked the next time, and for ever where nobody asks.
        """
        queued = Domain("state", "in", ("waiting", "failed"))
        noted = Domain("state", "=", "off")
        # The settings are not for everyone who may see funds.
        for server in self.sudo().server_id:
            others = Domain("server_id", "!=", server.id)
            if server.write_from:
                queued &= others | Domain("create_date", ">=", server.write_from)
            if asked := server._funds_date():
                noted &= others | Domain("create_date", ">", asked)
        unheard = Domain("account_id", "in", self.ids) & (queued | noted)
        waiting = dict(self.env["astpp.outbox"].sudo()._read_group(unheard, ["account_id"], ["amount:sum"]))
        return defaultdict(float, {each: each.available_funds + waiting.get(each.sudo(), 0.0) for each in self})
