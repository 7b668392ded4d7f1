from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL

# Accounts of one transaction: large enough for bulk speed, small enough that an accountant
# who posts in the same series waits a few seconds at most.
BATCH = 100
# Periods billed while the user waits for the button.
AT_ONCE = 200


class AstppBillingRun(models.Model):
    """One execution of invoicing: which accounts, up to when, and what came of it."""

    _name = "astpp.billing.run"
    _description = "Billing Run"
    _inherit = ["mail.thread"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(compute="_compute_name", store=True)
    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company)
    state = fields.Selection(
        [("new", "New"), ("running", "Running"), ("done", "Done")],
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
        help="Bills every period that has ended by this date.",
    )
    invoice_date = fields.Date(required=True, default=fields.Date.context_today)
    mode = fields.Selection(
        [("issuer", "As accounts and issuers say"), ("draft", "Leave as drafts"), ("confirm", "Confirm")],
        string="New Invoices",
        default="issuer",
        required=True,
    )
    issuer_ids = fields.Many2many("astpp.issuer", string="Issuers", check_company=True, help="Empty: all.")
    account_ids = fields.Many2many("astpp.account", string="Accounts", check_company=True, help="Empty: all.")
    due_count = fields.Integer(string="Accounts Due", compute="_compute_due_count")
    result_ids = fields.One2many("astpp.billing.result", "run_id", string="Results", copy=False)
    move_ids = fields.One2many("account.move", "astpp_run_id", string="Invoices", copy=False)
    invoice_count = fields.Integer(compute="_compute_counts")
    failed_count = fields.Integer(string="Failed", compute="_compute_counts")

    @api.depends("date", "create_date")
    def _compute_name(self):
        for run in self:
            run.name = self.env._("Billing run %s", run.date)

    @api.depends("date", "issuer_ids", "account_ids", "company_id", "state")
    def _compute_due_count(self):
        for run in self:
            run.due_count = self.env["astpp.account"].search_count(run._due_domain()) if run.state != "done" else 0

    @api.depends("result_ids.state")
    def _compute_counts(self):
        groups = self.env["astpp.billing.result"]._read_group(
            [("run_id", "in", self.ids)], ["run_id", "state"], ["__count"]
        )
        counts = {(run, state): count for run, state, count in groups}
        for run in self:
            run.invoice_count = counts.get((run._origin, "invoiced"), 0)
            run.failed_count = counts.get((run._origin, "failed"), 0)

    def _due_domain(self):
        """Return the domain of the accounts whose running period has ended and that are billed."""
        self.ensure_one()
        domain = Domain(
            [
                ("company_id", "=", self.company_id.id),
                ("payment_mode", "=", "postpaid"),
                ("status", "=", "active"),
                ("invoice_enabled", "=", True),
                ("next_period_end", "<=", fields.Datetime.now()),
                ("next_invoice_date", "<=", self.date),
            ]
        )
        if self.issuer_ids:
            domain &= Domain("issuer_id", "in", self.issuer_ids.ids)
        if self.account_ids:
            domain &= Domain("id", "in", self.account_ids.ids)
        # A failed account waits for the next run, or this one would never end.
        failed = self.env["astpp.billing.result"].search([("run_id", "in", self._origin.ids), ("state", "=", "failed")])
        return domain & Domain("id", "not in", failed.account_id.ids)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_invoiced(self):
        if self.move_ids:
            raise UserError(self.env._("A billing run with invoices cannot be deleted."))

    def action_run(self):
        """Bill what fits into one request at once; the scheduled action does what is left."""
        for run in self:
            if run.state == "done":
                raise UserError(self.env._("This run is done. Start a new one."))
            run.state = "running"
            left = AT_ONCE
            while left > 0 and (billed := run._bill_due_batch()):
                left -= len(billed)
            if run.due_count:
                # Any accountant may start a run; the scheduled action is an administrator's.
                self.env.ref("astpp_billing.ir_cron_billing").sudo()._trigger()
            else:
                run.state = "done"

    def action_retry_failed(self):
        """Forget the failures of the run and bill their accounts again."""
        self.ensure_one()
        self.result_ids.filtered(lambda result: result.state == "failed").sudo().unlink()
        self.state = "running"
        self.action_run()

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

    @api.model
    def _cron_bill(self):
        """Finish running runs and start one for each company that has due accounts.

        One batch is one transaction; the process may die anywhere and the next call goes on.
        """
        progress = self.env["ir.cron"]
        runs = self.search([("state", "=", "running")]) | self._start_due_runs()
        progress._commit_progress(remaining=sum(runs.mapped("due_count")))
        for run in runs:
            tries = 0
            while run.due_count:
                try:
                    billed = run._bill_due_batch()
                    time_left = progress._commit_progress(len(billed), remaining=run.due_count)
                    tries = 0
                except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                    # Somebody else billed or changed one of these accounts at the same moment.
                    self.env.cr.rollback()
                    tries += 1
                    if tries > 5:
                        raise
                    continue
                if not billed or not time_left:
                    return
            run.state = "done"
            progress._commit_progress()

    @api.model
    def _start_due_runs(self):
        """Create a running run for each company with accounts due today."""
        today = fields.Date.context_today(self)
        started = self.browse()
        for company in self.env["res.company"].search([]):  # pylint: disable=no-search-all
            if self.search_count([("company_id", "=", company.id), ("state", "=", "running")], limit=1):
                continue
            run = self.new({"company_id": company.id, "date": today})
            if run.due_count:
                started |= self.create(
                    {"company_id": company.id, "date": today, "invoice_date": today, "state": "running"}
                )
        return started

    def _claim_due(self, limit):
        """Lock due accounts that no other run holds, and return them.

        The lock is taken together with the search and held to the end of the transaction.
        """
        self.ensure_one()
        accounts = self.env["astpp.account"]
        accounts.flush_model()
        query = accounts._search(self._due_domain(), order="issuer_id.id, id", limit=limit)
        locked = self.env.execute_query(SQL("%s FOR NO KEY UPDATE OF astpp_account SKIP LOCKED", query.select()))
        return accounts.browse(row[0] for row in locked)
