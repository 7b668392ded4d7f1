import logging
from contextlib import contextmanager, suppress
from datetime import timedelta

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ...connector.database import ConnectorError
from ..astpp_guard_mixin import ours
from ..job_time import JobTime
from .sync_run import OutOfTimeError, SyncRun
from .sync_steps import STEPS

_logger = logging.getLogger(__name__)

# First half of the advisory lock's key: "astp" in ASCII.
LOCK_CLASS = 0x61737470
# How long ago a step may have been done for another job to go on behind it.
RESUMED = timedelta(hours=1)


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
    sync_resumes = fields.Boolean(readonly=True, copy=False)
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
        # Where nothing limits the job, it need not be interrupted: each time it begins with ASTPP's small tables.
        limits = JobTime(float("inf"))
        for server in servers:
            server._sync(limits=limits)
            if limits.is_up:
                # In a job anew, with limits anew; a rest would be called again at once within the same ones.
                self.env.ref("astpp_billing.ir_cron_sync")._trigger()
                self.env["ir.cron"]._commit_progress(remaining=0)
                return
            self.env["ir.cron"]._commit_progress(1)

    @ours
    def _sync(self, commit=True, limits=None):
        """Bring the ledger and all mirrored records up to date with ASTPP.

        Commits after each step and each piece of a call table, so that the next run continues wherever this one was
        interrupted.

        :param commit: False when the caller owns the transaction (tests)
        :param limits: ``JobTime`` after which it stops, to go on in another job
        :return: whether it was completed
        """
        self.ensure_one()
        server = self.with_company(self.company_id).with_context(tracking_disable=True)
        with server._locked(commit) as is_free:
            return is_free and server._run_sync(SyncRun(server, commit, limits))

    def _run_sync(self, run):
        """Do the steps of a synchronisation; a failure is recorded on the server.

        :param run: ``SyncRun``
        :return: whether all were done
        """
        try:
            steps = self._start_steps()
            run.keep()
            with self._open() as run.database:
                self._note_crons(run.database)
                for step in STEPS:
                    if steps[step.name].state == "done":
                        continue
                    with run.running(steps[step.name]):
                        step.sync(run)
            self._succeed()
            run.keep()
        except OutOfTimeError:
            # All of it is committed; the status stays Running, and another job goes on.
            self.sync_resumes = True
            run.keep()
            return False
        except Exception as error:
            # The failure is shown on the server's form; the next run continues from what is committed.
            if run.commits:
                self.env.cr.rollback()
            elif not isinstance(error, (ConnectorError, UserError)):
                raise
            if not isinstance(error, (ConnectorError, UserError)):
                _logger.exception("Synchronisation of %s failed", self.name)
            self._fail(error)
            run.keep()
            return False
        return True

    @contextmanager
    def _locked(self, commit):
        """Have no other process synchronise this server during the body; give it whether none does so already.

        The lock is that of a transaction, in a connection of its own where the body commits: behind a pooler that gives
        a session's transactions to different connections (pgbouncer's transaction mode), a session's lock would stay
        with somebody else's. Its transaction reads nothing afterwards, so it keeps no old rows alive.
        """
        lock = SQL("SELECT pg_try_advisory_xact_lock(%s, %s)", LOCK_CLASS, self.id)
        if not commit:
            yield self.env.execute_query(lock)[0][0]
            return
        cr = self.env.registry.cursor()
        try:
            cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cr.execute(lock)
            [(is_free,)] = cr.fetchall()
            yield is_free
        finally:
            # PostgreSQL may have ended the connection meanwhile, and the lock with it.
            with suppress(psycopg2.Error):
                cr.close()

    def _start_steps(self):
        """Reset steps to waiting, creating those that are missing.

        Those that a job has just done before its time was up stay done: another job would not come beyond them either.

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
        recent = fields.Datetime.now() - RESUMED
        done = self.sync_step_ids.filtered(
            lambda step: self.sync_resumes and step.state == "done" and step.date and step.date > recent
        )
        self.sync_resumes = False
        (self.sync_step_ids - done).write({"state": "waiting", "message": False, "remaining_count": 0})
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
