from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from ..astpp_guard_mixin import ours

# How many failures an alert lists; the others are only counted.
LISTED = 10
# A failed period is tried again after an hour; each further failure triples the wait, up to a day.
FIRST_WAIT, LONGEST_WAIT = timedelta(hours=1), timedelta(days=1)
# The condition that an item is still to be billed. Failures without a next attempt are those of earlier versions.
OPEN = "state = 'pending' OR retry_date IS NOT NULL"


class AstppBillingResult(models.Model):
    """A work item: one period of one account, to be billed by a run, and what became of it.

    At most one item of an account, company and period is open at a time, so whoever starts a run lists what no other one has.
    """

    _name = "astpp.billing.result"
    _description = "Billing Result"
    _order = "run_id desc, state, id"
    _rec_name = "account_id"

    run_id = fields.Many2one("astpp.billing.run", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="run_id.company_id", store=True)
    account_id = fields.Many2one("astpp.account", required=True, ondelete="cascade", index=True)
    partner_id = fields.Many2one(related="account_id.partner_id")
    issuer_id = fields.Many2one("astpp.issuer", readonly=True)
    period_start = fields.Datetime(readonly=True)
    period_end = fields.Datetime(readonly=True)
    state = fields.Selection(
        [
            ("pending", "To Be Billed"),
            ("failed", "Failed"),
            ("invoiced", "Invoiced"),
            ("carried", "Carried Over"),
            ("nothing", "No Usage"),
        ],
        required=True,
        readonly=True,
    )
    move_id = fields.Many2one(
        "account.move", string="Invoice", readonly=True, ondelete="set null", index="btree_not_null"
    )
    move_state = fields.Selection(related="move_id.state", string="Invoice Status")
    currency_id = fields.Many2one(related="move_id.currency_id")
    amount_total = fields.Monetary(related="move_id.amount_total")
    call_count = fields.Integer(string="Calls", readonly=True)
    duration = fields.Integer(string="Duration (s)", readonly=True)
    message = fields.Char(readonly=True)
    failures = fields.Integer(string="Failed Attempts", readonly=True, default=0, aggregator=None)
    retry_date = fields.Datetime(
        string="Tried Again On",
        readonly=True,
        index="btree_not_null",
        help="Before that only people's runs and Retry take the period on.",
    )

    _open_uniq = models.UniqueIndex(f"(account_id, company_id, period_start) WHERE {OPEN}")
    _open_idx = models.Index(f"(run_id) WHERE {OPEN}")

    def action_view_invoice(self):
        """Open the invoice of the result."""
        self.ensure_one()
        return self.move_id.get_formview_action()

    @ours
    def action_retry(self):
        """Bill again what could not be billed, without waiting for its next attempt.

        :raise AccessError: for users who may not write billing runs
        """
        self.run_id.check_access("write")
        failed = self.filtered("retry_date")
        # sudo: items are the run's log, readonly for users.
        failed.sudo().retry_date = fields.Datetime.now()
        for run in failed.run_id:
            if run.state == "stopped":
                run.action_run()
            else:
                run._bill_at_once()

    def _is_due(self):
        """Tell whether the item's period is what the account is to be billed for next.

        It is not when the account's dates, cycle, company or status changed since the item was written; what is due
        instead is on the next list.
        """
        self.ensure_one()
        account, run = self.account_id, self.run_id
        if not account.invoice_enabled:
            return False
        if account.billing_company_id != run.company_id:
            return account.id in run._left_behind_ids(account)
        if not account.next_period_end:
            # The account is prepaid now: what is left of its postpaid time is billed whenever it is found.
            return True
        may_be_cut = account.status != "active" or run.up_to_now
        return self.period_start == account.billed_until and (
            self.period_end == account.next_period_end or (may_be_cut and self.period_end < account.next_period_end)
        )

    def _settle(self, outcomes):
        """Note what became of these items, in one statement.

        :param outcomes: {account: {"state", "issuer_id", "move_id" (an id or None), "call_count", "duration"}}
        """
        names = ("state", "issuer_id", "move_id", "call_count", "duration")
        self.flush_model()
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_billing_result i
                   SET state = o.state, issuer_id = o.issuer_id, move_id = o.move_id, call_count = o.call_count,
                       duration = o.duration, message = NULL, retry_date = NULL, write_uid = %s,
                       write_date = now() AT TIME ZONE 'UTC'
                  FROM unnest(%s::int[], %s::text[], %s::int[], %s::int[], %s::int[], %s::int[])
                       AS o(id, state, issuer_id, move_id, call_count, duration)
                 WHERE i.id = o.id
                """,
                self.env.uid,
                self.ids,
                *([outcomes[item.account_id][name] for item in self] for name in names),
            )
        )
        self._forget_items()

    def _fail(self, reason):
        """Note why these items could not be billed, and when they are tried again."""
        now = fields.Datetime.now()
        for failures, items in self.grouped("failures").items():
            wait = min(FIRST_WAIT * 3 ** min(failures, 5), LONGEST_WAIT)
            items.write(
                {"state": "failed", "message": reason[:1000], "failures": failures + 1, "retry_date": now + wait}
            )

    @api.model
    def _forget_items(self):
        """Drop what is cached of items that were written in SQL."""
        self.invalidate_model()
        self.env["astpp.account"].invalidate_model(
            ["billing_failure_ids", "billing_error", "billing_failures", "billing_retry_date"]
        )
        self.env["astpp.billing.run"].invalidate_model(["result_ids"])

    @api.model
    def _tell_failures(self):
        """Raise an alert on each server that has failing accounts, and clear it on the others."""
        # sudo: accountants may have no access to servers, and the alert covers the accounts of all companies.
        failing = self.sudo().search([("retry_date", "!=", False)]).sorted(lambda item: item.account_id.number)
        servers = self.env["astpp.server"].sudo().with_context(active_test=False).search([])  # pylint: disable=no-search-all
        by_server = failing.grouped(lambda item: item.account_id.server_id)
        for server, items in by_server.items():
            lines = [f"{item.account_id.display_name}: {item.message}" for item in items[:LISTED]]
            if len(items) > LISTED:
                lines.append(self.env._("and %s more", len(items) - LISTED))
            server._raise_alert("billing", self.env._("Accounts could not be billed"), "\n".join(lines))
        (servers - servers.browse().union(*by_server))._clear_alert("billing")
