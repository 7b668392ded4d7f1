from datetime import UTC, datetime, timedelta

import pytz

from odoo import api, fields, models
from odoo.tools import SQL

from ...billing_cycle import midnight
from ..parties.astpp_account_term import BEGINNING

# From when an account is billed here: its first terms that nobody else bills.
BILLED_HERE = SQL(
    "SELECT min(t.date_from) FROM astpp_account_term t WHERE t.account_id = a.id AND t.elsewhere IS NOT TRUE"
)


class AstppAccount(models.Model):
    """Up to when ASTPP billed an account, and whether Odoo goes on exactly from there."""

    _inherit = "astpp.account"

    astpp_billed_until = fields.Datetime(
        string="Billed in ASTPP Until",
        readonly=True,
        copy=False,
        help="The end of the last period that ASTPP's own invoices cover. Empty: it never invoiced the account.",
    )
    billed_from = fields.Datetime(
        string="Billed Here From", compute="_compute_take_over", help="What was used before is on no invoice of Odoo's."
    )
    take_over = fields.Selection(
        [("fits", "Fits"), ("gap", "Nobody Bills the Time Between"), ("twice", "Billed Twice")],
        string="Take-Over",
        compute="_compute_take_over",
        search="_search_take_over",
        help="Whether Odoo bills from the moment up to which ASTPP has billed.",
    )

    @api.depends("astpp_billed_until", "term_ids.date_from", "term_ids.elsewhere")
    def _compute_take_over(self):
        for account in self:
            here = account.term_ids.filtered(lambda term: not term.elsewhere).mapped("date_from")
            start = min(here, default=BEGINNING)
            account.billed_from = start if start > BEGINNING else False
            there = account.astpp_billed_until
            if not there or not here or account.payment_mode == "prepaid":
                account.take_over = False
            else:
                account.take_over = "gap" if there < start else "twice" if there > start else "fits"

    @api.model
    def _search_take_over(self, operator, value):
        if operator != "in":
            return NotImplemented
        signs = {"gap": SQL("<"), "twice": SQL(">"), "fits": SQL("=")}
        conditions = [SQL("a.astpp_billed_until %s (%s)", signs[key], BILLED_HERE) for key in value if key in signs]
        if False in value:
            conditions.append(SQL("a.astpp_billed_until IS NULL OR a.payment_mode = 'prepaid'"))
        self.flush_model(["astpp_billed_until", "payment_mode"])
        self.env["astpp.account.term"].flush_model()
        query = SQL(
            "SELECT a.id FROM astpp_account a WHERE (a.payment_mode = 'postpaid' OR %s) AND (%s)",
            False in value,
            SQL(" OR ").join(conditions) if conditions else SQL("FALSE"),
        )
        return [("id", "in", query)]

    def _bill_elsewhere_until(self):
        res = super()._bill_elsewhere_until()
        # Written by a statement, of which computed fields learn nothing.
        self.invalidate_recordset(["billed_from", "take_over"])
        return res

    def _take_over_remark(self):
        """Say which of these new accounts ASTPP has billed up to another moment than Odoo begins at."""
        wrong = self.filtered(lambda account: account.take_over in ("gap", "twice"))
        text = self.env._(
            "ASTPP's last invoices of %(count)s accounts end at another moment than the one from which Odoo bills them: "
            "look at Accounts → Take-Over. They are %(numbers)s.",
            count=len(wrong),
            numbers=", ".join(wrong[:10].mapped("number")) + ("…" if len(wrong) > 10 else ""),
        )
        return text if wrong else ""

    @api.model
    def _billed_in_astpp_until(self, server, record):
        """Return the moment up to which ASTPP has billed an account that is new in Odoo, naive UTC.

        Nothing is billed before the server's *Usage From* and before the account was made.
        """
        now = datetime.now(UTC).replace(tzinfo=None)
        start = server.sync_from or now
        for text in (record.created, record.postpaid and record.billed_until):
            moment = self._day_after(server, record, text)
            start = max(start, moment) if moment and moment <= now else start
        return start

    @api.model
    def _day_after(self, server, record, text):
        """Return the local midnight that follows the last second of a day in ASTPP, or None.

        ASTPP notes the last second of what it billed, or the moment at which the account was made (ASTPP facts 7).
        """
        if not (moment := fields.Datetime.to_datetime(text or None)):
            return None
        zone = record.timezone if record.timezone in pytz.all_timezones_set else None
        day = (moment + timedelta(minutes=1)).date()
        return midnight(day, zone or server.company_id.partner_id.tz or "UTC").replace(tzinfo=None)

    @api.model
    def _note_billed(self, server, records):
        """Store up to when ASTPP has billed each account, in one statement."""
        self.flush_model(["astpp_billed_until"])
        until = [self._day_after(server, record, record.postpaid and record.billed_until) for record in records]
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_account a SET astpp_billed_until = new.until
                  FROM unnest(%s::int[], %s::timestamp[]) AS new(astpp_id, until)
                 WHERE a.server_id = %s AND a.astpp_id = new.astpp_id AND a.astpp_billed_until IS DISTINCT FROM new.until
                """,
                [record.id for record in records],
                until,
                server.id,
            )
        )
        self.invalidate_model(["astpp_billed_until", "take_over"])
