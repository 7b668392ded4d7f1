from odoo import api, fields, models
from odoo.tools import SQL

KINDS = [("reminder", "Reminder"), ("renewed", "Renewed"), ("suspended", "Suspended"), ("ended", "Ended")]
# Subscriptions of one transaction.
BATCH = 100


class AstppNotice(models.Model):
    """A mail about an event of a subscription: one mail an event, by the database."""

    _name = "astpp.notice"
    _description = "Customer Notice"
    _order = "id desc"
    _rec_name = "subscription_id"

    subscription_id = fields.Many2one("astpp.subscription", required=True, ondelete="cascade", readonly=True)
    company_id = fields.Many2one(related="subscription_id.company_id")
    partner_id = fields.Many2one(related="subscription_id.partner_id")
    kind = fields.Selection(KINDS, required=True, readonly=True)
    date = fields.Datetime(string="About", required=True, readonly=True, help="The renewal or event that it is about.")
    state = fields.Selection(
        [("queued", "Queued"), ("off", "Not Wanted"), ("no_address", "No Address"), ("failed", "Failed")],
        required=True,
        readonly=True,
        default="queued",
    )
    message = fields.Char(readonly=True)

    _event_uniq = models.UniqueIndex("(subscription_id, kind, date)", "This notice was given already.")

    @api.model
    def _cron_remind(self):
        """Queue the reminders that are due, batch by batch; a second run finds those that are left."""
        progress = self.env["ir.cron"]
        due = self._due_reminders()
        progress._commit_progress(remaining=len(due))
        for first in range(0, len(due), BATCH):
            batch = self.env["astpp.subscription"].browse(due[first : first + BATCH])
            batch._notify("reminder")
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
