from odoo import api, fields, models
from odoo.tools import SQL

KINDS = [
    ("reminder", "Renewal Reminder"),
    ("renewed", "Renewed"),
    ("suspended", "Suspended"),
    ("ended", "Ended"),
    ("invoice", "New Invoice"),
    ("due", "Due Soon"),
    ("overdue", "Overdue"),
    ("payment", "Payment Received"),
]
# Subscriptions of one transaction.
BATCH = 100
# Times that a mail is handed to the mail server again after it failed.
MOST_ATTEMPTS = 5


class AstppNotice(models.Model):
    """A mail about an event of a subscription or an invoice: one mail an event, by the database."""

    _name = "astpp.notice"
    _description = "Customer Notice"
    _order = "id desc"
    _rec_name = "kind"

    subscription_id = fields.Many2one("astpp.subscription", ondelete="cascade", readonly=True, index="btree_not_null")
    move_id = fields.Many2one(
        "account.move", string="Invoice", ondelete="cascade", readonly=True, index="btree_not_null"
    )
    company_id = fields.Many2one("res.company", compute="_compute_company_id", store=True)
    partner_id = fields.Many2one("res.partner", compute="_compute_partner_id")
    kind = fields.Selection(KINDS, required=True, readonly=True)
    date = fields.Datetime(string="About", required=True, readonly=True, help="The renewal or event that it is about.")
    state = fields.Selection(
        [
            ("waiting", "Waiting"),
            ("queued", "In the Mail Queue"),
            ("sent", "Sent"),
            ("off", "Not Wanted"),
            ("no_address", "No Address"),
            ("failed", "Failed"),
        ],
        required=True,
        readonly=True,
        default="queued",
    )
    mail_id = fields.Many2one("mail.mail", ondelete="set null", readonly=True, index="btree_not_null")
    attempts = fields.Integer(readonly=True)
    mailed_date = fields.Datetime(string="Mailed On", readonly=True)
    message = fields.Char(readonly=True)

    _event_uniq = models.UniqueIndex("(subscription_id, kind, date)", "This notice was given already.")
    _move_event_uniq = models.UniqueIndex("(move_id, kind, date)", "This notice was given already.")
    _waiting_idx = models.Index("(id) WHERE state IN ('waiting', 'queued')")
    _about_one = models.Constraint(
        "CHECK((subscription_id IS NULL) <> (move_id IS NULL))", "A notice is about an order or an invoice."
    )

    @api.depends("subscription_id", "move_id")
    def _compute_company_id(self):
        for notice in self:
            notice.company_id = (notice.subscription_id or notice.move_id).company_id

    @api.depends("subscription_id", "move_id")
    def _compute_partner_id(self):
        for notice in self:
            notice.partner_id = (notice.subscription_id or notice.move_id).partner_id

    @api.model
    def _cron_remind(self):
        """Queue the reminders that are due, batch by batch; a second run finds those that are left."""
        progress = self.env["ir.cron"]
        due = self._due_reminders()
        progress._commit_progress(remaining=len(due))
        for first in range(0, len(due), BATCH):
            batch = self.env["astpp.subscription"].browse(due[first : first + BATCH])
            batch._remind()
            if not progress._commit_progress(len(batch)):
                break

    @api.model
    def _due_reminders(self):
        """Return ids of the subscriptions whose renewal is near and has no reminder yet.

        Those that end with the period are not renewed, and those that ASTPP renews are reminded by it.
        """
        self.env["astpp.subscription"].flush_model()
        self.env["astpp.issuer"].flush_model()
        self.flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT s.id
                  FROM astpp_subscription s
                  JOIN astpp_issuer i ON i.id = s.issuer_id
                  JOIN astpp_server v ON v.id = s.server_id
                 WHERE s.state = 'active' AND s.recurring AND i.notice_days > 0
                   AND (COALESCE(s.astpp_id, 0) = 0 OR v.renewals_by = 'odoo')
                   AND (s.end_date IS NULL OR s.end_date > s.next_date)
                   AND s.next_date > %(now)s AND s.next_date <= %(now)s + i.notice_days * interval '1 day'
                   AND NOT EXISTS (SELECT 1 FROM astpp_notice n
                                    WHERE n.subscription_id = s.id AND n.kind = 'reminder' AND n.date = s.next_date)
              ORDER BY s.next_date, s.id
                """,
                now=fields.Datetime.now(),
            )
        )
        return [row[0] for row in rows]

    @api.model
    def _follow_mails(self):
        """Note which mails went out; hand those that failed to the queue again, some times."""
        queued = self.search([("state", "=", "queued")])
        # Mails are the system's; their state is all that is read.
        for notice in queued.sudo():
            mail = notice.mail_id
            if not mail or mail.state == "sent":
                notice.state = "sent"
            elif mail.state in ("exception", "cancel"):
                again = mail.state == "exception" and notice.attempts < MOST_ATTEMPTS
                reason = (mail.failure_reason or "")[:500]
                if again:
                    mail.write({"state": "outgoing", "failure_reason": False})
                notice.write(
                    {"attempts": notice.attempts + 1, "message": reason, "state": "queued" if again else "failed"}
                )

    def action_retry(self):
        """Try failed notices again."""
        failed = self.filtered(lambda notice: notice.state in ("failed", "no_address"))
        failed.check_access("read")
        # Accountants see notices and may have them sent again, no more.
        for notice in failed.sudo():
            if notice.mail_id:
                notice.mail_id.state = "outgoing"
                notice.write({"state": "queued", "attempts": 0, "message": False})
            elif notice.move_id:
                notice.write({"state": "waiting", "attempts": 0, "message": False})
            elif notice.partner_id.email:
                notice.write({"state": "queued", "attempts": 0, "message": False})
                notice.subscription_id._queue_mails(notice.kind, {notice.subscription_id.id: notice.id})
        self.env.ref("astpp_billing.ir_cron_send").sudo()._trigger()
