from odoo import api, fields, models
from odoo.exceptions import UserError

from ...conflicts import retry
from ..astpp_guard_mixin import ours
from ..ledger.usage_state import HELD

# Accounts billed in one transaction: enough for bulk speed, few enough that an accountant
# who posts in the same series waits a few seconds at most.
BATCH = 100
# Periods billed at once when a user presses the button; the scheduled action bills the rest.
AT_ONCE = 200


class AstppBillingRun(models.Model):
    """One run of invoicing: the accounts, the date up to which they are billed, and the results."""

    _name = "astpp.billing.run"
    _description = "Billing Run"
    _inherit = ["mail.thread"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(compute="_compute_name", store=True)
    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company)
    state = fields.Selection(
        [("new", "New"), ("running", "Running"), ("stopped", "Stopped"), ("done", "Done")],
        default="new",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
    )
    date = fields.Date(
        string="Due By",
        required=True,
        default=fields.Date.context_today,
        help="Bills every period that has ended by this date. With a date to come, the preview shows what will be billed "
        "then.",
    )
    invoice_date = fields.Date(required=True, default=fields.Date.context_today)
    mode = fields.Selection(
        [("issuer", "As accounts and issuers say"), ("draft", "Leave as drafts"), ("confirm", "Confirm")],
        string="New Invoices",
        default="issuer",
        required=True,
    )
    issuer_ids = fields.Many2many("astpp.issuer", string="Issuers", check_company=True, help="Empty: all.")
    account_ids = fields.Many2many(
        "astpp.account", string="Accounts", domain="[('billing_company_id', '=', company_id)]", help="Empty: all."
    )
    up_to_now = fields.Boolean(
        help="Bills running periods as well: they are cut at this moment, and the rest is billed when they end."
    )
    stop_requested = fields.Boolean(readonly=True, copy=False)
    scheduled = fields.Boolean(
        readonly=True,
        copy=False,
        help="Started by the scheduled action: accounts that could not be billed wait for their next attempt.",
    )
    due_count = fields.Integer(
        string="Accounts Due",
        compute="_compute_due_count",
        help="Accounts that are due, or left on the run's list once it has started.",
    )
    progress = fields.Float(compute="_compute_counts", help="Percent of the run's list that is done.")
    result_ids = fields.One2many("astpp.billing.result", "run_id", string="Results", copy=False)
    move_ids = fields.One2many("account.move", "astpp_run_id", string="Invoices", copy=False)
    invoice_count = fields.Integer(compute="_compute_counts")
    failed_count = fields.Integer(string="Failed", compute="_compute_counts")
    exception_count = fields.Integer(
        string="Held Usage",
        compute="_compute_exception_count",
        help="Usage of these accounts that waits for a release.",
    )

    @api.depends("date", "create_date")
    def _compute_name(self):
        for run in self:
            run.name = self.env._("Billing run %s", run.date)

    @api.depends("date", "issuer_ids", "account_ids", "company_id", "up_to_now", "state", "result_ids.state")
    def _compute_due_count(self):
        left = self._left_counts()
        for run in self:
            if run.state == "new":
                run.due_count = self.env["astpp.account"].search_count(run._due_domain())
            else:
                run.due_count = left.get(run._origin.id, 0)

    @api.depends("state", "result_ids.state")
    def _compute_counts(self):
        results = self.env["astpp.billing.result"]
        # Several accounts of a customer may share an invoice.
        counts = results._read_group(
            [("run_id", "in", self.ids)], ["run_id", "state"], ["__count", "move_id:count_distinct"]
        )
        for run in self:
            by_state = {state: count for own, state, count, _moves in counts if own == run._origin}
            items, pending = sum(by_state.values()), by_state.get("pending", 0)
            run.progress = 0.0 if run.state == "new" else 100 * (1 - pending / items) if items else 100.0
            run.invoice_count = sum(moves for own, _state, _count, moves in counts if own == run._origin)
            run.failed_count = by_state.get("failed", 0)

    @api.depends("result_ids.account_id")
    def _compute_exception_count(self):
        for run in self:
            run.exception_count = self.env["astpp.usage"].search_count(run._exception_domain())

    def _exception_domain(self):
        return [*HELD.domain, ("account_id", "in", self.result_ids.account_id.ids)]

    @api.ondelete(at_uninstall=False)
    def _unlink_except_invoiced(self):
        if self.move_ids:
            raise UserError(self.env._("A billing run with invoices cannot be deleted."))

    @ours
    def action_run(self):
        """Start or continue: bill up to ``AT_ONCE`` periods in this request, the scheduled action bills the rest.

        :raise UserError: when a run is done
        """
        for run in self:
            if run.state == "done":
                raise UserError(self.env._("This run is done. Start a new one."))
            is_new = run.state == "new"
            run.write({"state": "running", "stop_requested": False})
            if is_new:
                run._write_list(run._due_periods())
            run._bill_at_once()

    def _bill_at_once(self):
        """Bill up to ``AT_ONCE`` periods of the run's list in this transaction."""
        left = AT_ONCE
        while left > 0 and (billed := self._bill_due_batch()):
            left -= len(billed)
        if self.due_count:
            # sudo: any accountant may start a run, but only administrators have access to scheduled actions.
            self.env.ref("astpp_billing.ir_cron_billing").sudo()._trigger()
        else:
            self._finish()

    def _finish(self):
        """End the run, and notify people of drafts and failures; what failed stays open."""
        if self.state != "done":
            self.state = "done"
            self._tell_drafts(self.move_ids)
        self.env["astpp.billing.result"]._tell_failures()

    def _tell_drafts(self, moves):
        """Notify the responsible accountants, once for these invoices, of those that were left as drafts."""
        self.ensure_one()
        drafts = moves.filtered(lambda move: move.state == "draft")
        if not drafts:
            return
        # sudo: the user who runs the batch may have no access to servers.
        servers = self.env["astpp.server"].sudo().search([("company_id", "=", self.company_id.id)])
        people = (servers.responsible_id or self.create_uid).partner_id
        self.message_post(
            body=self.env._("%(count)s invoices wait as drafts for %(issuers)s.", count=len(drafts),
                            issuers=", ".join(drafts.astpp_issuer_id.mapped("name"))),
            subject=self.env._("Invoices to confirm"),
            partner_ids=people.ids,
            message_type="notification",
            subtype_xmlid="mail.mt_comment",
        )  # fmt: skip

    @ours
    def action_stop(self):
        """Stop the runs as soon as the current batch is billed."""
        self.filtered(lambda run: run.state == "running").stop_requested = True

    def action_retry_failed(self):
        """Bill again what the run could not bill, without waiting for the next attempt."""
        self.ensure_one()
        self.result_ids.action_retry()

    def action_view_invoices(self):
        """Open the invoices of the run."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_invoice")
        return action | {"domain": [("astpp_run_id", "=", self.id)], "context": {}}

    def action_view_failed(self):
        """Open the failures of the run."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_billing_result")
        return action | {"domain": [("run_id", "=", self.id), ("state", "=", "failed")]}

    def action_view_exceptions(self):
        """Open the held usage of the run's accounts."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_usage")
        return action | {"domain": self._exception_domain(), "context": {}}

    @api.model
    def _cron_bill(self):
        """Go on with open runs, and start one for each company that has accounts due.

        Each batch is one transaction, so if the process dies the next call simply continues.
        """
        for run in retry(self.env, self._open_all):
            if not run._bill_all():
                return

    def _open_all(self):
        """Return the runs to go on with, after committing those that were started."""
        runs = self._open_runs()
        self.env["ir.cron"]._commit_progress(remaining=sum(runs.mapped("due_count")))
        return runs

    @api.model
    def _open_runs(self):
        """Return the runs that have something to bill: running, with failures whose time has come, or started now."""
        running = self.search([("state", "=", "running")])
        again = self.search([("state", "=", "done"), ("result_ids.retry_date", "<=", fields.Datetime.now())])
        return running | again | self._start_due_runs()

    @api.model
    def _start_due_runs(self):
        """Start a run for each company that has accounts due today and no running run."""
        today = fields.Date.context_today(self)
        started = self.browse()
        for company in self.env["res.company"].search([]):  # pylint: disable=no-search-all
            if self.search_count([("company_id", "=", company.id), ("state", "=", "running")], limit=1):
                continue
            values = {"company_id": company.id, "date": today, "invoice_date": today, "scheduled": True}
            if any((periods := self.new(values)._due_periods()).values()):
                run = self.create({**values, "state": "running"})
                run._write_list(periods)
                started |= run
        return started

    def _bill_all(self):
        """Bill batch after batch, each in its own transaction.

        :return: False when the scheduled action's time is up
        """
        self.ensure_one()
        while True:
            billed, time_left = retry(self.env, self._bill_next)
            if not billed or not time_left:
                # Nothing is left, or the rest is locked by other processes and left to the next call.
                return bool(time_left)

    def _bill_next(self):
        """Bill the next batch and commit it, or end the run.

        :return: (items of the batch, seconds left for the scheduled action)
        """
        progress = self.env["ir.cron"]
        if self.stop_requested:
            self.state = "stopped"
        elif not self.due_count:
            self._finish()
        else:
            billed = self._bill_due_batch()
            return billed, progress._commit_progress(len(billed), remaining=self.due_count)
        return self.result_ids.browse(), progress._commit_progress()
