from odoo import api, models
from odoo.exceptions import AccessError
from odoo.tools import SQL, email_split

# How often a failed mail is handed to the mail server again.
MOST_ATTEMPTS = 5
# Failures that an alert lists by name.
MOST_NAMED = 10


class AstppNotice(models.Model):
    """Track whether mails were delivered, from their notifications, because Odoo deletes the mails it has sent."""

    _inherit = "astpp.notice"

    def _hand_over(self, mails):
        """Link these notices to their mails, in the same order, and have Odoo track the delivery of the mails.

        :param mails: created with ``MAIL_VALUES`` (astpp_subscription.py)
        """
        for notice, mail in zip(self, mails, strict=True):
            notice.write({"mail_id": mail.id, "mail_message_id": mail.mail_message_id.id})
        rows = []
        for mail in mails:
            recipients = [{"res_partner_id": partner.id} for partner in mail.recipient_ids]
            recipients = recipients or [{"mail_email_address": address} for address in email_split(mail.email_to or "")]
            about = {"mail_mail_id": mail.id, "mail_message_id": mail.mail_message_id.id, "is_read": True}
            rows += [about | {"notification_type": "email"} | recipient for recipient in recipients]
        # sudo: notifications are the system's records.
        self.env["mail.notification"].sudo().create(rows)

    @api.model
    def _follow_mails(self):
        """Update notices whose mails were sent, failed or bounced, and send failed mails again."""
        self._note_news(self._mail_news())
        self._tell_failures()

    @api.model
    def _note_news(self, news):
        again, rows, unsent = [], [], []
        for notice_id, move_id, kind, attempts, mail_id, mail, status, reason in news:
            state = self._state_of(mail, status, attempts)
            if state == "queued":
                again.append(mail_id)
            if state == "failed" and kind == "invoice":
                unsent.append(move_id)
            text = None if state == "sent" else (reason or self._without_reason(mail, status))[:500]
            rows.append((notice_id, state, attempts + (state != "sent"), text))
        if not rows:
            return
        # sudo: mails are the system's records.
        mails = self.env["mail.mail"].sudo().browse(again)
        mails.write({"state": "outgoing", "failure_type": False, "failure_reason": False})
        self.env["account.move"].sudo().browse(unsent).is_move_sent = False
        self.flush_model()
        self.env.cr.execute_values(
            """
            UPDATE astpp_notice n SET state = v.state, attempts = v.attempts, message = v.message
              FROM (VALUES %s) v (id, state, attempts, message) WHERE n.id = v.id
            """,
            rows,
            page_size=1000,
        )
        self.invalidate_model(["state", "attempts", "message"])

    @api.model
    def _mail_news(self):
        """Return the mails with news: queued ones that left the queue, and sent ones that bounced.

        Bounces are found from the notifications, so sent mails need not be checked one by one.

        :return: [(notice id, invoice id, kind, attempts, mail id, state of the mail, state of its notifications,
            reason)]
        """
        self.flush_model()
        self.env["mail.mail"].flush_model()
        self.env["mail.notification"].flush_model()
        return self.env.execute_query(
            SQL(
                """
                SELECT n.id, n.move_id, n.kind, COALESCE(n.attempts, 0), m.id, m.state, f.status,
                       COALESCE(f.reason, m.failure_reason)
                  FROM (SELECT id FROM astpp_notice WHERE state = 'queued'
                         UNION ALL
                        SELECT b.id FROM astpp_notice b
                         WHERE b.state = 'sent' AND b.mail_message_id IN (
                               SELECT mail_message_id FROM mail_notification WHERE notification_status = 'bounce')) x
                  JOIN astpp_notice n ON n.id = x.id
             LEFT JOIN mail_mail m ON m.id = n.mail_id
             LEFT JOIN LATERAL (
                    SELECT CASE WHEN bool_or(notification_status = 'bounce') THEN 'bounce'
                                WHEN bool_or(notification_status = 'exception') THEN 'exception'
                                WHEN bool_or(notification_status = 'canceled') THEN 'canceled'
                                WHEN bool_and(notification_status = 'sent') THEN 'sent' END AS status,
                           min(NULLIF(failure_reason, '')) AS reason
                      FROM mail_notification
                     WHERE mail_message_id = n.mail_message_id AND notification_type = 'email') f ON TRUE
                 WHERE m.id IS NULL OR m.state <> 'outgoing' OR f.status IN ('bounce', 'canceled')
              ORDER BY n.id
                """
            )
        )

    @api.model
    def _state_of(self, mail, status, attempts):
        """Return a notice's state from the state of its mail (None when deleted) and of its notifications."""
        if status in ("bounce", "canceled") or mail == "cancel":
            return "failed"
        if mail == "exception":
            return "queued" if attempts < MOST_ATTEMPTS else "failed"
        if status == "sent" or (mail == "sent" and status != "exception"):
            return "sent"
        return "failed"

    @api.model
    def _without_reason(self, mail, status):
        """Describe why a mail failed when the mail server gave no reason."""
        if status == "bounce":
            return self.env._("The mail came back: the address takes none.")
        if status == "canceled" or mail == "cancel":
            return self.env._("The mail was cancelled.")
        if mail or status == "exception":
            return self.env._("The mail could not be sent.")
        return self.env._("The mail was deleted before it was sent.")

    @api.model
    def _tell_failures(self):
        """Alert each server's responsible user to new failures, once; clear the alert when none is left."""
        self.flush_model()
        failed = self.env.execute_query(
            SQL(
                """
                SELECT COALESCE(s.server_id, a.server_id, o.server_id), count(*) FILTER (WHERE n.told IS NOT TRUE),
                       (array_agg(COALESCE(m.name, s.name, o.name, '') || ': ' || COALESCE(n.message, '') ORDER BY n.id)
                        FILTER (WHERE n.told IS NOT TRUE))[1:%s]
                  FROM astpp_notice n
             LEFT JOIN astpp_subscription s ON s.id = n.subscription_id
             LEFT JOIN astpp_opening o ON o.id = n.opening_id
             LEFT JOIN account_move m ON m.id = n.move_id
             LEFT JOIN astpp_account a ON a.id = m.astpp_account_id
                 WHERE n.state = 'failed'
              GROUP BY 1
                """,
                MOST_NAMED,
            )
        )
        servers = self.env["astpp.server"].sudo()
        for server_id, new, named in failed:
            if server_id and new:
                servers.browse(server_id)._raise_alert(
                    "mail",
                    self.env._("%s mails to customers were not sent", new),
                    "\n".join((*named, self.env._("Reporting → Notices to Customers lists them, to try again."))),
                )
        self.env.cr.execute("UPDATE astpp_notice SET told = TRUE WHERE state = 'failed' AND told IS NOT TRUE")
        self.invalidate_model(["told"])
        wrong = [server_id for server_id, *_new in failed if server_id]
        servers.with_context(active_test=False).search([("id", "not in", wrong)])._clear_alert("mail")

    @api.model
    def _sent_by_hand(self, moves):
        """Note that a user sent these invoices to their customers, and cancel what is still waiting for them."""
        # sudo: whoever sends invoices may only read notices, and mails are the system's records.
        notices = self.sudo().search(
            [
                *[("move_id", "in", moves.ids), ("kind", "=", "invoice")],
                ("state", "in", ("waiting", "queued", "failed", "no_address")),
            ]
        )
        unsent = notices.mail_id.filtered(lambda mail: mail.state in ("outgoing", "exception"))
        unsent.write({"state": "cancel"})
        self._notifications(unsent).write({"notification_status": "canceled"})
        # Mails that have left the queue are still tracked.
        pending = notices.filtered(lambda notice: notice.state != "queued" or notice.mail_id in unsent)
        pending.write({"state": "off", "message": self.env._("Sent by hand.")})

    def _notifications(self, mails):
        return self.env["mail.notification"].sudo().search([("mail_mail_id", "in", mails.ids)])

    def action_retry(self):
        """Try failed notices again."""
        failed = self.filtered(lambda notice: notice.state in ("failed", "no_address"))
        failed.check_access("read")
        if not self.env.user.has_group("account.group_account_invoice"):
            raise AccessError(self.env._("Only accountants can have mails sent again."))
        # sudo: accountants may only read notices and have them sent again.
        failed = failed.sudo()
        kept = failed.filtered("mail_id")
        kept.mail_id.write({"state": "outgoing", "failure_type": False, "failure_reason": False})
        self._notifications(kept.mail_id).write(
            {"notification_status": "ready", "failure_type": False, "failure_reason": False}
        )
        new = (failed - kept).filtered(lambda notice: not notice.subscription_id or notice.partner_id.email)
        again = {"attempts": 0, "message": False, "told": False}
        (kept | new.filtered("subscription_id")).write({"state": "queued", **again})
        new.filtered(lambda notice: not notice.subscription_id).write(
            {"state": "waiting", "mail_message_id": False, **again}
        )
        for kind, notices in new.filtered("subscription_id").grouped("kind").items():
            notices._queue_again(kind)
        self._tell_failures()
        self.env.ref("astpp_billing.ir_cron_send").sudo()._trigger()

    def _queue_again(self, kind):
        """Render the mails of subscription notices again, only one per subscription in each batch."""
        batch = {notice.subscription_id.id: notice.id for notice in self}
        self.env["astpp.subscription"].sudo().browse(batch)._queue_mails(kind, batch)
        if rest := self - self.browse(batch.values()):
            rest._queue_again(kind)
