from datetime import UTC, datetime, timedelta

from odoo import api, fields, models
from odoo.addons.base.models.res_partner import _tz_get
from odoo.exceptions import ValidationError

from ...billing_cycle import Cycle, boundary_at_or_before, local_date, next_boundary


class AstppAccount(models.Model):
    """When an account is billed: cycle, billing day, time zone, and the date up to which it is billed."""

    _inherit = "astpp.account"

    cycle_unit = fields.Selection(
        [("day", "Days"), ("week", "Weeks"), ("month", "Months"), ("year", "Years")],
        string="Billing Cycle",
        default="month",
        required=True,
        tracking=True,
    )
    cycle_interval = fields.Integer(string="Every", default=1, required=True, tracking=True)
    billing_day = fields.Integer(
        default=1,
        required=True,
        aggregator=None,
        tracking=True,
        help="A new period starts on this day of the month; 29 to 31 fall on the last day of shorter months.",
    )
    billing_weekday = fields.Selection(
        [
            ("0", "Monday"),
            ("1", "Tuesday"),
            ("2", "Wednesday"),
            ("3", "Thursday"),
            ("4", "Friday"),
            ("5", "Saturday"),
            ("6", "Sunday"),
        ],
        default="0",
        required=True,
        tracking=True,
    )
    billing_month = fields.Selection(
        [
            ("1", "January"),
            ("2", "February"),
            ("3", "March"),
            ("4", "April"),
            ("5", "May"),
            ("6", "June"),
            ("7", "July"),
            ("8", "August"),
            ("9", "September"),
            ("10", "October"),
            ("11", "November"),
            ("12", "December"),
        ],
        default="1",
        required=True,
        tracking=True,
    )
    tz = fields.Selection(
        _tz_get,
        string="Time Zone",
        required=True,
        default=lambda self: self.env.company.partner_id.tz or "UTC",
        tracking=True,
        help="Periods begin and end at midnight in this time zone.",
    )
    billed_until = fields.Datetime(
        tracking=True,
        copy=False,
        help="Usage before this moment has been invoiced. Later arrivals go on the next invoice.",
    )
    next_period_end = fields.Datetime(
        string="Period Ends", compute="_compute_next_period_end", store=True, index=True, help="In UTC."
    )
    next_invoice_date = fields.Date(
        compute="_compute_next_period_end", store=True, help="The day on which the running period can be invoiced."
    )

    final_date = fields.Datetime(
        string="Final Invoice",
        readonly=True,
        copy=False,
        help="When the account was billed after it was suspended or closed.",
    )

    _cycle_range = models.Constraint(
        "CHECK(cycle_interval BETWEEN 1 AND 120 AND billing_day BETWEEN 1 AND 31)",
        "The billing day is 1 to 31 and the billing cycle at least one day, week, month or year.",
    )

    @api.depends(
        "payment_mode",
        "billed_until",
        "cycle_unit",
        "cycle_interval",
        "billing_day",
        "billing_weekday",
        "billing_month",
        "tz",
    )
    def _compute_next_period_end(self):
        for account in self:
            prepaid = account.payment_mode == "prepaid"
            if prepaid or not account.billed_until or not account.tz or account.cycle_interval < 1:
                account.next_period_end = account.next_invoice_date = False
                continue
            end = account._period_end(account.billed_until)
            account.next_period_end = end
            account.next_invoice_date = local_date(end.replace(tzinfo=UTC), account.tz)

    @api.constrains("tz")
    def _check_tz(self):
        for account in self:
            if not account.tz:
                raise ValidationError(self.env._("Account %s needs a time zone.", account.number))

    def _begin_first_period(self):
        """Treat everything before the running period as billed for accounts without ``billed_until``."""
        for account in self.filtered(lambda a: not a.billed_until):
            account.with_context(astpp_billed=True).billed_until = account._running_period_start()

    def _newly_postpaid(self, vals):
        """Return the prepaid accounts that ``vals`` makes postpaid without setting ``billed_until``."""
        if vals.get("payment_mode") != "postpaid" or "billed_until" in vals:
            return self.browse()
        return self.filtered(lambda account: account.payment_mode == "prepaid")

    def _begin_postpaid(self):
        """Start billing at the running period: prepaid accounts had no billing periods before."""
        for account in self:
            start = account._running_period_start()
            account.with_context(astpp_billed=True).write(
                {"billed_until": max(start, account.billed_until or start), "final_date": False}
            )

    def _running_period_start(self):
        """Return the start of the running period in the account's cycle, naive UTC."""
        self.ensure_one()
        return boundary_at_or_before(datetime.now(UTC), self._cycle()).replace(tzinfo=None)

    def _forget_final_invoices(self, status):
        """Allow another final invoice: on each closing, and at most once a period for other changes of status."""
        again = self.filtered(
            lambda account: account.final_date
            and (status == "closed" or account.final_date < account._running_period_start())
        )
        again.final_date = False

    def _cycle(self):
        """Return the account's ``Cycle``."""
        self.ensure_one()
        return Cycle(
            unit=self.cycle_unit,
            interval=self.cycle_interval,
            day=self.billing_day,
            weekday=int(self.billing_weekday),
            month=int(self.billing_month),
            tz=self.tz,
        )

    def _period_end(self, start):
        """Return the end of the period that starts at ``start`` (both naive, in UTC)."""
        self.ensure_one()
        return next_boundary(start.replace(tzinfo=UTC), self._cycle()).replace(tzinfo=None)

    def _local_dates(self, start, end):
        """Return the first and the last local day of the half-open period [start, end)."""
        self.ensure_one()
        last = end.replace(tzinfo=UTC) - timedelta(seconds=1)
        return local_date(start.replace(tzinfo=UTC), self.tz), local_date(last, self.tz)
