from odoo import fields, models
from odoo.exceptions import UserError

from ..astpp_guard_mixin import ours


class AstppAccount(models.Model):
    """The periods for which an account is due, what could not be billed, and billing up to now."""

    _inherit = "astpp.account"

    billing_failure_ids = fields.One2many(
        "astpp.billing.result", "account_id", domain=[("retry_date", "!=", False)], string="Periods Not Billed"
    )
    billing_error = fields.Char(
        related="billing_failure_ids.message",
        string="Could Not Be Billed",
        help="Why the last attempt to bill the account failed.",
    )
    billing_failures = fields.Integer(
        related="billing_failure_ids.failures",
        aggregator=None,
        help="Attempts that failed since the account was billed last.",
    )
    billing_retry_date = fields.Datetime(
        related="billing_failure_ids.retry_date",
        string="Billed Again On",
        help="Before that only runs that people start take the account on.",
    )

    @ours
    def action_bill_now(self):
        """Invoice what the account used up to this moment: the running period is cut here.

        :return: action that opens the invoice, or the run if it made none
        :raise UserError: when there is nothing to invoice
        """
        self.ensure_one()
        run = self.env["astpp.billing.run"].create(
            {"company_id": self.billing_company_id.id, "account_ids": [(6, 0, self.ids)], "up_to_now": True}
        )
        run.action_run()
        if not run.result_ids:
            raise UserError(self.env._("There is nothing to invoice on account %s.", self.number))
        return (run.move_ids if len(run.move_ids) == 1 else run).get_formview_action()

    def _due_periods(self, by, until, cut, last_used):
        """Yield the periods to bill, (start, end) in naive UTC, one after the other.

        An account that is not active is billed as far as it has usage.

        :param by: local day by which a period must have ended
        :param until: moment by which a period must have ended, naive UTC
        :param cut: moment at which the running period ends early, naive UTC, or None
        :param last_used: date of the newest usage that is not billed, naive UTC, or None
        """
        self.ensure_one()
        if not self.next_period_end:
            # The account is prepaid now: bill what is left of its postpaid time.
            now = fields.Datetime.now()
            yield min(self.billed_until or now, now), now
            return
        start, end = self.billed_until, self.next_period_end
        while True:
            # Usage of before the first period is late and belongs to it.
            has_usage = start == self.billed_until or (last_used and start <= last_used)
            if not has_usage and self.status != "active":
                return
            if end > (cut or until) or self._local_dates(start, end)[1] >= by:
                if cut and has_usage and start <= cut:
                    yield start, cut
                return
            yield start, end
            start, end = end, self._period_end(end)
