from datetime import timedelta

from odoo import fields, models
from odoo.exceptions import UserError

# How old the last synchronisation may be when renewals change hands.
FRESH = timedelta(hours=1)


class AstppServer(models.Model):
    """Hand renewals over between ASTPP and Odoo, so that each period is charged by exactly one of them."""

    _inherit = "astpp.server"

    renewals_by = fields.Selection(
        [("astpp", "ASTPP"), ("odoo", "Odoo")],
        default="astpp",
        required=True,
        tracking=True,
        help="Who charges the next period of packages, subscriptions and DIDs.",
    )

    def _hand_over_renewals(self, renewals_by):
        """Prepare the servers' subscriptions for a change of who renews them.

        What one side has charged stays paid: Odoo continues where ASTPP's periods end, and ASTPP's charges for periods
        that Odoo charged are held (exception ``renewed``).

        :param renewals_by: "odoo" or "astpp"
        :raise UserError: when Odoo does not know what ASTPP has charged so far
        """
        changing = self.filtered(lambda server: server.renewals_by != renewals_by)
        for server in changing.filtered("host"):
            stale = server.sync_state != "done" or fields.Datetime.now() - server.sync_date > FRESH
            if stale:
                raise UserError(
                    self.env._("Synchronise %s first: Odoo must know what ASTPP has charged until now.", server.name)
                )
        mirrored = [("server_id", "in", changing.ids), ("astpp_id", "!=", 0)]
        if renewals_by == "odoo":
            self.env["astpp.subscription"].search(mirrored)._take_over()
        for server in changing:
            sides = dict(self._fields["renewals_by"]._description_selection(self.env))
            server.message_post(body=self.env._("Renewals are charged by %s from now on.", sides[renewals_by]))
