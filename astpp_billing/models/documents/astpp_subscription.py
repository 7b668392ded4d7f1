import logging
from datetime import UTC, timedelta

from odoo import fields, models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL

from ...billing_cycle import local_date

_logger = logging.getLogger(__name__)

SWITCHES = {
    "reminder": "notify_reminder",
    "renewed": "notify_renewed",
    "suspended": "notify_ended",
    "ended": "notify_ended",
}
LAYOUT = "astpp_billing.mail_layout"
# Odoo keeps the message and its delivery status after deleting the mail; the portal does not show it.
MAIL_VALUES = {"is_notification": True, "is_internal": True}


class AstppSubscription(models.Model):
    """Mail customers about their subscriptions: one mail per event, in their language and in the issuer's name."""

    _inherit = "astpp.subscription"

    notice_ids = fields.One2many("astpp.notice", "subscription_id", string="Notices")

    def _notify(self, kind):
        """Queue one mail per subscription, unless the event has its notice already.

        A mail that cannot be created is noted as failed and stops nothing: the charge stands without it.

        :param kind: reminder, renewed, suspended or ended
        """
        if kind == "renewed":
            # While missed periods are caught up, only the last one is told.
            self = self.filtered(lambda s: not s.next_date or s.next_date > fields.Datetime.now())  # noqa: PLW0642
        date_field = {"reminder": "next_date", "renewed": "start_date", "ended": "end_date"}.get(kind)
        now = fields.Datetime.now()
        rows = []
        for subscription in self:
            wanted = subscription.issuer_id[SWITCHES[kind]] and subscription.partner_id.astpp_mail_services
            state = "off" if not wanted else "queued" if subscription.partner_id.email else "no_address"
            about = (date_field and subscription[date_field]) or now
            rows.append((subscription.id, subscription.company_id.id, kind, about, state, 0, self.env.uid, now))
        if not rows:
            return
        self.env["astpp.notice"].flush_model()
        new = self.env.cr.execute_values(
            """
            INSERT INTO astpp_notice (subscription_id, company_id, kind, date, state, attempts, create_uid, create_date)
            VALUES %s
            ON CONFLICT (subscription_id, kind, date) DO NOTHING
            RETURNING id, subscription_id, state
            """,
            rows,
            page_size=1000,
            fetch=True,
        )
        self.invalidate_recordset(["notice_ids"])
        wanted = {subscription_id: notice_id for notice_id, subscription_id, state in new if state == "queued"}
        self.browse(wanted)._queue_mails(kind, wanted)

    def _remind(self):
        """Queue reminders for these subscriptions; one that fails does not stop the others."""
        try:
            with self.env.cr.savepoint():
                self._notify("reminder")
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception:
            if len(self) == 1:
                _logger.exception("The reminder of %s cannot be queued", self.name)
                return
            for subscription in self:
                subscription._remind()

    def _queue_mails(self, kind, notices):
        """Render and queue the mails of these notices, together if possible, else one by one.

        :param notices: {subscription id: notice id}
        """
        try:
            with self.env.cr.savepoint():
                if self:
                    # sudo: whoever causes the notice may not read the template; the mail is the operator's message.
                    template = self.env.ref(f"astpp_billing.mail_template_{kind}").sudo()
                    template = template.with_context(astpp_at_renewal=kind == "reminder")
                    mails = template.send_mail_batch(self.ids, email_values=MAIL_VALUES, email_layout_xmlid=LAYOUT)
                    queued = self.env["astpp.notice"].browse([notices[subscription.id] for subscription in self])
                    queued.sudo()._hand_over(mails)
            return
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:
            if len(self) == 1:
                _logger.warning("Notice %s of subscription %s cannot be made", kind, self.name, exc_info=True)
                self.env.cr.execute(
                    SQL(
                        "UPDATE astpp_notice SET state = 'failed', message = %s WHERE id = %s",
                        str(error)[:500],
                        notices[self.id],
                    )
                )
                return
        for subscription in self:
            subscription._queue_mails(kind, notices)

    def _title(self):
        """Return what was ordered, as text in the context's language."""
        self.ensure_one()
        name = self.product_id.name
        if self.did_id:
            name = f"{name} {self.did_id.number}"
        return f"{self.quantity} × {name}" if self.quantity > 1 else name

    def _price_text(self):
        """Return the price of a whole period for the full quantity, as text; in a reminder by the terms at renewal."""
        self.ensure_one()
        amount = self._amount_to_come() if self.env.context.get("astpp_at_renewal") else self._amount()
        return self.currency_id.format(float(amount))

    def _local_day(self, name, days=0):
        """Return a datetime field as a date in the account's time zone, shifted by some days; False when it is empty.

        Odoo renders a template with an arbitrary record when the template is saved, even one where the field is empty.
        """
        self.ensure_one()
        if not self[name]:
            return False
        return local_date(self[name].replace(tzinfo=UTC), self.account_id.tz) + timedelta(days=days)
