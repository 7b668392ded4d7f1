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
# Subscriptions handled in one transaction.
BATCH = 100


class AstppNotice(models.Model):
    """A mail about an event of a subscription or an invoice; the database allows only one per event."""

    _name = "astpp.notice"
    _description = "Customer Notice"
    _order = "id desc"
    _rec_name = "kind"

    subscription_id = fields.Many2one("astpp.subscription", ondelete="cascade", readonly=True, index="btree_not_null")
    move_id = fields.Many2one(
        "account.move", string="Invoice", ondelete="cascade", readonly=True, index="btree_not_null"
    )
    opening_id = fields.Many2one(
        "astpp.opening", string="Opening Item", ondelete="cascade", readonly=True, index="btree_not_null"
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
    # Odoo deletes a mail once it is sent; its message stays and keeps the outcome.
    mail_message_id = fields.Many2one("mail.message", ondelete="set null", readonly=True, index="btree_not_null")
    attempts = fields.Integer(readonly=True)
    mailed_date = fields.Datetime(string="Mailed On", readonly=True)
    message = fields.Char(readonly=True)
    told = fields.Boolean(readonly=True, help="The failure was told to the user responsible for the ASTPP server.")

    _event_uniq = models.UniqueIndex("(subscription_id, kind, date)", "This notice was given already.")
    _move_event_uniq = models.UniqueIndex("(move_id, kind, date)", "This notice was given already.")
    _opening_event_uniq = models.UniqueIndex(
        "(opening_id, kind, date) WHERE opening_id IS NOT NULL", "This notice was given already."
    )
    _waiting_idx = models.Index("(id) WHERE state IN ('waiting', 'queued')")
    _failed_idx = models.Index("(id) WHERE state = 'failed'")
    _about_one = models.Constraint(
        "CHECK(num_nonnulls(subscription_id, move_id, opening_id) = 1)",
        "A notice is about an order, an invoice or an opening item.",
    )

    def _about(self):
        """Return what the notice is about."""
        self.ensure_one()
        return self.subscription_id or self.move_id or self.opening_id

    @api.depends("subscription_id", "move_id", "opening_id")
    def _compute_company_id(self):
        for notice in self:
            notice.company_id = notice._about().company_id

    @api.depends("subscription_id", "move_id", "opening_id")
    def _compute_partner_id(self):
        for notice in self:
            notice.partner_id = notice._about().partner_id

    @api.model
    def _cron_remind(self):
        """Queue due reminders, batch by batch; another run picks up whatever is left."""
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
        """Return the ids of subscriptions that renew soon and have no reminder yet.

        Subscriptions that end with the period are not renewed, and ASTPP itself sends reminders for those it renews.
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
