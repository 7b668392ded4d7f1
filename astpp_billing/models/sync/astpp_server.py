import logging
from contextlib import suppress

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ...connector.database import ConnectorError
from ..astpp_guard_mixin import ours
from .sync_run import SyncRun
from .sync_steps import STEPS

_logger = logging.getLogger(__name__)

# First half of the advisory lock's key: "astp" in ASCII.
LOCK_CLASS = 0x61737470


class AstppServer(models.Model):
    """The synchronisation: runs step after step and commits piece by piece."""

    _inherit = "astpp.server"

    sync_enabled = fields.Boolean(
        string="Synchronise Automatically", tracking=True, help="The scheduled action reads this server."
    )
    sync_from = fields.Datetime(
        string="Usage From",
        default=lambda self: fields.Datetime.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0),
        help="Calls and charges before this moment stay ASTPP's affair: they are on its own invoices.",
        tracking=True,
    )
    lookback_days = fields.Integer(
        string="Look Back",
        default=3,
        help="Days in which late calls are looked for every time; once a night it is five weeks.",
    )
    responsible_id = fields.Many2one(
        "res.users",
        default=lambda self: self.env.user,
        help="Is told when a synchronisation fails.",
    )
    sync_step_ids = fields.One2many("astpp.sync.step", "server_id", string="Synchronisation")
    sync_state = fields.Selection(
        [("never", "Never Run"), ("running", "Running"), ("done", "Up to Date"), ("failed", "Failed")],
        string="Status",
        default="never",
        readonly=True,
        copy=False,
    )
    sync_date = fields.Datetime(string="Last Success", readonly=True, copy=False)
    sync_wide_date = fields.Datetime(readonly=True, copy=False)
    sync_error = fields.Char(string="Error", readonly=True, copy=False)

    def write(self, vals):
        """Write on servers.

        :raise AccessError: when someone other than a system administrator of the server's company changes a connection
        :raise UserError: when renewals change hands but Odoo does not know what ASTPP has charged so far
        """
        with self._guard_connection(vals):
            if "renewals_by" in vals:
                self._hand_over_renewals(vals["renewals_by"])
            # The server created on installation has no real responsible user: make it the user who connects the server.
            if vals.get("host") and "responsible_id" not in vals and not self.env.user._is_superuser():
                nobody = self.filtered(lambda each: not each.responsible_id or each.responsible_id._is_superuser())
                super(AstppServer, nobody).write({"responsible_id": self.env.uid})
            return super().write(vals)

    @ours
    def action_sync(self):
        """Synchronise in the background, as soon as possible."""
        for server in self:
            server.check_access("write")
            server._settings()
            server.sync_state = "running"
        # sudo: an accounting administrator may trigger it, although scheduled actions are for system administrators.
        self.env.ref("astpp_billing.ir_cron_sync").sudo()._trigger()
        return {"type": "ir.actions.client", "tag": "soft_reload"}

    @api.model
    def _cron_sync(self):
        """Synchronise all servers that are due; a failing server does not stop the others."""
        servers = self.search([("host", "!=", False), "|", ("sync_enabled", "=", True), ("sync_state", "=", "running")])
        self.env["ir.cron"]._commit_progress(remaining=len(servers))
        for server in servers:
            server._sync()
            self.env["ir.cron"]._commit_progress(1)

    @ours
    def _sync(self, commit=True):
        """Bring the ledger and all mirrored records up to date with ASTPP.

        Commits after each step and each piece of a call table, so that the next run continues wherever this one was
        interrupted.

        :param commit: False when the caller owns the transaction (tests)
        :return: whether it was completed
        """
        self.ensure_one()
        server = self.with_company(self.company_id).with_context(tracking_disable=True)
        if not server._lock_sync():
            return False
        run = SyncRun(server, commit)
        try:
            steps = server._start_steps()
            run.commit()
            with server._open() as run.database:
                for step in STEPS:
                    with run.running(steps[step.name]):
                        step.sync(run)
            server._succeed()
            run.commit()
        except Exception as error:
            # The failure is shown on the server's form; the next run continues from what is committed.
            if commit:
                server.env.cr.rollback()
            elif not isinstance(error, (ConnectorError, UserError)):
                raise
            if not isinstance(error, (ConnectorError, UserError)):
                _logger.exception("Synchronisation of %s failed", server.name)
            server._fail(error)
            run.commit()
            return False
        finally:
            # Fails in an aborted transaction or on a lost connection; the latter releases the lock anyway.
            with suppress(psycopg2.Error):
                server._unlock_sync()
                run.commit()
        return True

    def _lock_sync(self):
        """Take the server's advisory lock for this database session; it outlives commits and ends with the process."""
        return self.env.execute_query(SQL("SELECT pg_try_advisory_lock(%s, %s)", LOCK_CLASS, self.id))[0][0]

    def _unlock_sync(self):
        self.env.execute_query(SQL("SELECT pg_advisory_unlock(%s, %s)", LOCK_CLASS, self.id))

    def _start_steps(self):
        """Reset all steps to waiting, creating those that are missing.

        :return: {name: ``astpp.sync.step``}
        """
        existing = set(self.sync_step_ids.mapped("step"))
        self.env["astpp.sync.step"].create(
            [
                {"server_id": self.id, "step": step.name, "sequence": position}
                for position, step in enumerate(STEPS)
                if step.name not in existing
            ]
        )
        self.sync_step_ids.write({"state": "waiting", "message": False, "remaining_count": 0})
        self.sync_state = "running"
        return {step.step: step for step in self.sync_step_ids}

    def _succeed(self):
        self.write({"sync_state": "done", "sync_date": fields.Datetime.now(), "sync_error": False})
        self._clear_alert("sync")

    def _fail(self, error):
        """Record the failure, and alert the responsible user if it is the first one since the last success."""
        reason = self._explain(error)
        first = not self.sync_error
        self.write({"sync_state": "failed", "sync_error": reason[:1000]})
        self.sync_step_ids.filtered(lambda step: step.state == "running").write(
            {"state": "failed", "message": reason[:1000]}
        )
        # If the user marked the alert as done, they know.
        if first or self._alerts("sync"):
            self._raise_alert("sync", self.env._("Synchronisation failed"), reason)

    def _funds_date(self):
        """Return when ASTPP's balances were last read, False if never."""
        self.ensure_one()
        return self.sync_step_ids.filtered(lambda step: step.step == "accounts").date

    def _take_base_currency(self, code):
        """Set the server's currency to ASTPP's base currency, unless the server was synchronised before.

        :param code: currency code such as "EUR"; None, or one that Odoo does not know, changes nothing
        """
        currency = self.env["res.currency"].with_context(active_test=False).search([("name", "=", code)], limit=1)
        if currency and currency != self.currency_id and not self.sync_date and not self._has_usage():
            # sudo: any accounting administrator may synchronise, and the currency must be active.
            currency.sudo().active = True
            self.currency_id = currency
