from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain

from ...charge_types import CALLS
from ...connector.schema import cron_findings
from ..ledger.usage_state import HELD
from .sync_steps import STEPS

# After so long without a success a server that synchronises by itself is not well.
STALE = timedelta(hours=2)


class AstppServer(models.Model):
    """How a server is doing, at a glance: last success, lag, rate, what is held, what differs, what would bill twice."""

    _inherit = "astpp.server"

    cron_warnings = fields.Text(
        string="ASTPP's Own Billing", readonly=True, copy=False, help="Crons of ASTPP that would bill a second time."
    )
    sync_progress = fields.Float(compute="_compute_sync_progress", help="How far the synchronisation is, in percent.")
    sync_activity = fields.Char(string="Doing", compute="_compute_sync_progress")
    last_call_date = fields.Datetime(string="Last Call", compute="_compute_health")
    call_rate = fields.Integer(string="Calls per Second", compute="_compute_health")
    held_count = fields.Integer(string="Held", compute="_compute_health")
    held_amount = fields.Monetary(compute="_compute_health")
    difference_count = fields.Integer(string="Differences", compute="_compute_health")
    left_out_count = fields.Integer(string="Rows Left Out", compute="_compute_health")
    health = fields.Selection(
        [("none", "No Connection"), ("good", "Good"), ("warning", "To Be Looked At"), ("bad", "Not Working")],
        compute="_compute_health",
    )
    health_note = fields.Text(string="Why", compute="_compute_health")

    @api.depends("sync_step_ids.state", "sync_step_ids.remaining_count", "sync_step_ids.read_count")
    def _compute_sync_progress(self):
        labels = dict(self.env["astpp.sync.step"]._fields["step"]._description_selection(self.env))
        for server in self:
            steps = server.sync_step_ids
            done = len(steps.filtered(lambda step: step.state == "done"))
            running = steps.filtered(lambda step: step.state == "running")[:1]
            share = 0.0
            if running and (total := running.read_count + running.remaining_count):
                share = running.read_count / total
            server.sync_progress = 100.0 * (done + share) / len(STEPS) if steps else 0.0
            server.sync_activity = running and self.env._(
                "%(step)s: %(read)s rows read", step=labels[running.step], read=running.read_count
            )

    def _compute_health(self):
        totals = self.env["astpp.usage.total"]
        domain = Domain("server_id", "in", self.ids)
        calls = totals._read_group(domain & Domain("charge_type", "in", CALLS), ["server_id"], ["last_date:max"])
        held = totals._read_group(
            domain & Domain("lines", ">", 0) & HELD.domain, ["server_id"], ["lines:sum", "amount:sum"]
        )
        differences = self.env["astpp.reconciliation"]._read_group(
            domain & Domain("reason", "!=", False), ["server_id"], ["__count"]
        )
        others = self.env["astpp.outbox.difference"]._read_group(domain, ["server_id"], ["__count"])
        last_calls, held, differences, others = (
            dict(calls), {server: sums for server, *sums in held}, dict(differences), dict(others)
        )  # fmt: skip
        for server in self:
            server.last_call_date = last_calls.get(server, False)
            server.held_count, server.held_amount = held.get(server, (0, 0.0))
            server.difference_count = differences.get(server, 0) + others.get(server, 0)
            steps = server.sync_step_ids
            server.left_out_count = sum(steps.mapped("left_out_count"))
            server.call_rate = max(
                steps.filtered(lambda step: step.step in ("cdr", "reseller_cdr")).mapped("rate"), default=0
            )
            server.health, reasons = server._health()
            server.health_note = "\n".join(reasons) or False

    def _health(self):
        """Return (health, reasons why it is not good)."""
        self.ensure_one()
        if not self.host:
            return "none", []
        if self.sync_state == "failed":
            return "bad", [self.sync_error or ""]
        if self.sync_state == "never":
            return "warning", [self.env._("It was never synchronised.")]
        stale = self.sync_date and fields.Datetime.now() - self.sync_date > STALE
        reasons = [
            text
            for is_so, text in (
                (not self.sync_enabled, self.env._("It does not synchronise by itself.")),
                (self.sync_enabled and stale, self.env._("The last success was more than two hours ago.")),
                (self.difference_count, self.env._("ASTPP and Odoo differ.")),
                (self.left_out_count, self.env._("Rows of ASTPP are left out: see the steps on the form.")),
                (self.cron_warnings, self.cron_warnings),
            )
            if is_so
        ]
        return ("warning" if reasons else "good"), reasons

    def _note_crons(self, database):
        """Note which of ASTPP's own crons would bill what Odoo bills."""
        odoo_renews = self.renewals_by == "odoo"
        texts = [
            finding.text
            for name, finding in cron_findings(database).items()
            if name != "Manage Services" or odoo_renews
        ]
        text = "\n".join(texts) or False
        if self.cron_warnings != text:
            self.cron_warnings = text

    @api.model
    def sync_overview(self):
        """Return what the tray shows: a dict a connected server, for accountants.

        :raise AccessError: for other users
        """
        if not self.has_access("read"):
            raise AccessError(self.env._("Only accountants see how ASTPP servers are doing."))
        servers = self.search([("host", "!=", False)])
        states = dict(self._fields["sync_state"]._description_selection(self.env))
        return {
            "may_sync": self.env.user.has_group("account.group_account_manager"),
            "servers": [
                {
                    "id": server.id,
                    "name": server.name,
                    "state": server.sync_state,
                    "label": states[server.sync_state],
                    "progress": round(server.sync_progress),
                    "doing": server.sync_activity or "",
                    "date": fields.Datetime.to_string(server.sync_date) if server.sync_date else False,
                    "error": server.sync_error or "",
                }
                for server in servers
            ],
        }

    def action_view_held(self):
        """Open the server's held lines."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_usage_exception")
        return action | {"domain": HELD.domain & Domain("server_id", "in", self.ids)}

    def action_view_differences(self):
        """Open the days and accounts in which ASTPP and Odoo differ."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_reconciliation")
        domain = [("server_id", "in", self.ids)]
        differing = [*domain, ("reason", "!=", False)]
        if not self.env["astpp.reconciliation"].search_count(differing, limit=1):
            action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_outbox_difference")
            return action | {"domain": domain}
        return action | {"domain": differing, "context": {}}
