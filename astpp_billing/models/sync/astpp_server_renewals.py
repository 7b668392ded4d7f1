from datetime import timedelta

from odoo import fields, models
from odoo.exceptions import UserError

from ...connector.schema import Finding

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

    def _check_renewals(self):
        """Return a finding about numbers that never renew: ASTPP imports in bulk without a period (ASTPP facts 4.1)."""
        self.ensure_one()
        domain = [
            *[("server_id", "=", self.id), ("astpp_id", "not in", (0, False)), ("did_id", "!=", False)],
            *[("state", "=", "active"), ("recurring", "=", True), ("period_count", "=", 0)],
        ]
        orders = self.env["astpp.subscription"]
        if not (count := orders.search_count(domain)):
            return []
        text = self.env._(
            "%(count)s numbers are never renewed nor charged, because ASTPP imported them in bulk with 0 billing days: "
            "%(numbers)s. End each order, free its number (Services → DIDs) and order it anew.",
            count=count,
            numbers=", ".join(orders.search(domain, limit=10).did_id.mapped("number")),
        )
        return [Finding("warning", text)]

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
