import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from .astpp_subscription import LAYOUT, MAIL_VALUES

_logger = logging.getLogger(__name__)

# Invoices rendered by one call of the PDF engine: starting it costs more than rendering the pages.
PDF_BATCH = 20
HOUR = timedelta(hours=1)
SWITCHES = {
    "invoice": ("notify_invoice", "astpp_mail_invoices"),
    "payment": ("notify_payment", "astpp_mail_invoices"),
    "due": ("notify_due", "astpp_mail_reminders"),
    "overdue": ("notify_due", "astpp_mail_reminders"),
}


class AstppNotice(models.Model):
    """Mails about invoices: noted in the transaction of the event, rendered and queued later, one transaction each."""

    _inherit = "astpp.notice"

    @api.model
    def _note(self, kind, dates):
        """Note an event of invoices unless it is noted already; the mail is created later.

        :param dates: {account.move: datetime of the event}
        """
        now = fields.Datetime.now()
        rows = [
            (move.id, move.company_id.id, kind, date, "waiting", 0, self.env.uid, now) for move, date in dates.items()
        ]
        if not rows:
            return
        self.flush_model()
        self.env.cr.execute_values(
            """
            INSERT INTO astpp_notice (move_id, company_id, kind, date, state, attempts, create_uid, create_date) VALUES %s
            ON CONFLICT (move_id, kind, date) DO NOTHING
            """,
            rows,
            page_size=1000,
        )
        # sudo: whoever posts or registers a payment triggers the scheduled action.
        self.env.ref("astpp_billing.ir_cron_send").sudo()._trigger()

    @api.model
    def _cron_send(self):
        """Render missing PDFs, twenty at a time, and queue the mails, each in a transaction of its own.

        A failure is noted on its notice and does not stop the others.
        """
        progress = self.env["ir.cron"]
        self._note_due()
        self._note_overdue_openings()
        self._follow_mails()
        waiting = self._next_mails().ids
        progress._commit_progress(remaining=len(waiting))
        for first in range(0, len(waiting), PDF_BATCH):
            notices = self.browse(waiting[first : first + PDF_BATCH])
            notices.filtered(lambda notice: notice.kind == "invoice").move_id._astpp_store_pdf(to_mail=True)
            progress._commit_progress()
            for notice in notices:
                notice._make_mail()
                if not progress._commit_progress(1):
                    self._trigger_mails()
                    progress._commit_progress()
                    return
        self._tell_failures()
        self._trigger_mails()
        progress._commit_progress()

    @api.model
    def _trigger_mails(self):
        """Have queued mails go out now: the queue's own action comes once an hour, and nobody else triggers it."""
        if self.search_count([("state", "=", "queued")], limit=1):
            # sudo: the mail queue is the system's.
            self.env.ref("mail.ir_cron_mail_scheduler_action").sudo()._trigger()

    @api.model
    def _next_mails(self):
        """Return the notices that may be mailed now: all waiting ones, or as many as the hourly limit still allows.

        The system parameter ``astpp_billing.mails_per_hour`` is the limit; 0 or empty means no limit. Notices beyond
        it are tried again in ten minutes.
        """
        # Skip invoices that a user has queued in Odoo's own *Send*.
        waiting = ["&", ("state", "=", "waiting"), "|", ("kind", "!=", "invoice"), ("move_id.sending_data", "=", False)]
        text = self.env["ir.config_parameter"].sudo().get_param("astpp_billing.mails_per_hour") or "0"
        most = int(text) if text.strip().isdecimal() else 0
        if not most:
            return self.search(waiting, order="id")
        now = fields.Datetime.now()
        made = [("state", "in", ("queued", "sent")), ("subscription_id", "=", False), ("mailed_date", ">", now - HOUR)]
        room = max(most - self.search_count(made), 0)
        if self.search_count(waiting, limit=room + 1) > room:
            self.env.ref("astpp_billing.ir_cron_send").sudo()._trigger(at=now + timedelta(minutes=10))
        return self.search(waiting, order="id", limit=room) if room else self.browse()

    def _make_mail(self):
        """Queue one notice's mail or note why not; never twice, even if another process mails the same invoice."""
        self.ensure_one()
        move = self.move_id
        if not self.try_lock_for_update(allow_referencing=True) or self.state != "waiting":
            return
        if self.kind == "invoice" and move.sudo().sending_data:
            # A user is sending it right now. If that fails, the next run sends it.
            return
        if self.kind == "invoice" and move.sudo()._astpp_calls_services():
            self._hand_to_services(move)
            return
        try:
            with self.env.cr.savepoint():
                self.write(self._opening_outcome() if self.opening_id else self._mail_outcome(move.sudo()))
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            # The invoice is being changed right now: the next run mails it.
            self.env.invalidate_all()
        except Exception as error:
            # A broken template, PDF or address affects this invoice only.
            self.env.invalidate_all()
            if not isinstance(error, UserError):
                _logger.warning("Notice %s of %s cannot be made", self.kind, self._about().display_name, exc_info=True)
            self.write({"state": "failed", "message": str(error)[:500]})

    def _hand_to_services(self, move):
        """Send an invoice that goes to a web service, whose addons commit in between: no savepoint would outlive that.

        Noted as failed before: should the process end meanwhile, somebody has to look whether it arrived.
        """
        doubt = self.env._(
            "It was being handed to a web service when the process ended. Look there whether it arrived."
        )
        self.write({"state": "failed", "message": doubt})
        self.env["ir.cron"]._commit_progress()
        try:
            self.write(self._mail_outcome(move.sudo()))
        except Exception as error:
            self.env.cr.rollback()
            if not isinstance(error, UserError):
                _logger.warning("Notice %s of %s cannot be made", self.kind, move.display_name, exc_info=True)
            self.write({"state": "failed", "message": str(error)[:500]})

    def _mail_outcome(self, move):
        """Create the mail and return the values to write on the notice."""
        issuer_switch, partner_switch = SWITCHES[self.kind]
        reminds = self.kind in ("due", "overdue")
        settled = reminds and (move.payment_state not in ("not_paid", "partial") or move._astpp_covered())
        # Customers choose on the portal, and the invoice address may have its own preference.
        wanted = all(partner[partner_switch] for partner in move.partner_id | move.astpp_account_id.partner_id)
        if not move.astpp_issuer_id[issuer_switch] or not wanted or settled:
            return {"state": "off"}
        if move.state != "posted":
            return {"state": "off"}
        if self.kind == "invoice":
            return self._send_invoice(move)
        if not move.partner_id.email:
            return {"state": "no_address"}
        if reason := move._astpp_sender_missing():
            raise UserError(reason)
        if self.kind == "overdue" and move.astpp_issuer_id.reminders == "customer":
            return self._remind_customer()
        template = self.env.ref(f"astpp_billing.mail_template_{self.kind}").sudo()
        if reminds:
            template = template.with_context(astpp_due_until=fields.Date.to_string(self.date))
        values = dict(MAIL_VALUES)
        if self.kind != "payment":
            values["attachment_ids"] = [(4, attachment.id) for attachment in move._astpp_attachments()]
        self._hand_over(template.send_mail_batch(move.ids, email_values=values, email_layout_xmlid=LAYOUT))
        return {"state": "queued", "mailed_date": fields.Datetime.now()}

    def _send_invoice(self, move):
        """Have Odoo send an invoice as its contact wishes, and return the values to write on the notice.

        :raise UserError: when it cannot be sent, with the reason
        """
        send = self.env["account.move.send"].with_context(astpp_notice=True)
        methods = send._get_default_sending_methods(move)
        if methods == {"email"} and not move.partner_id.email:
            return {"state": "no_address"}
        if "email" in methods and (reason := move._astpp_sender_missing()):
            raise UserError(reason)
        before = self._last_message(move)
        # Queued, so that a mail server that is slow or down is the mail queue's affair.
        queued = move.with_context(mail_notify_force_send=False)
        if move._astpp_calls_services():
            send._generate_and_send_invoices(queued)
        else:
            self._send_with_or_without(send, queued)
        sent = {"mailed_date": fields.Datetime.now(), "message": False}
        if (message := self._last_message(move)) == before:
            # By a web service, or by hand: there is no mail to follow.
            labels = dict(self.env["res.partner"]._fields["invoice_sending_method"]._description_selection(self.env))
            how = ", ".join(labels.get(method, method) for method in sorted(methods)) or labels.get("manual", "")
            return sent | {"state": "sent" if methods - {"manual"} else "off", "message": how}
        move.is_move_sent = True
        # For the issuer's people: the customer's page shows the document itself.
        message.is_internal = True
        # sudo: mails are the system's records.
        mail = self.env["mail.mail"].sudo().search([("mail_message_id", "=", message.id)], limit=1)
        return sent | {"state": "queued", "mail_id": mail.id, "mail_message_id": message.id}

    def _send_with_or_without(self, send, move):
        """Send an invoice, without its electronic invoice if that cannot be made and the issuer wants it so."""
        try:
            with self.env.cr.savepoint():
                send._generate_and_send_invoices(move)
        except UserError:
            if not move._astpp_goes_anyway():
                raise
            send._generate_and_send_invoices(move, invoice_edi_format=False)

    def _last_message(self, move):
        """Return the last message of an invoice that was mailed to somebody."""
        return (
            self.env["mail.message"]
            .sudo()
            .search(
                [
                    ("model", "=", move._name),
                    ("res_id", "=", move.id),
                    ("notification_ids.notification_type", "=", "email"),
                ],
                order="id desc",
                limit=1,
            )
        )

    @api.model
    def _note_due(self):
        """Note invoices with an instalment that is due soon or overdue, by their issuers' settings."""
        today = fields.Date.context_today(self)
        [(longest,)] = self.env["astpp.issuer"]._read_group([], [], ["due_days:max"])
        lines = self.env["account.move.line"].search(
            [
                *[("move_id.astpp_issuer_id", "!=", False), ("parent_state", "=", "posted")],
                *[("move_id.move_type", "=", "out_invoice"), ("account_type", "=", "asset_receivable")],
                *[("move_id.payment_state", "in", ("not_paid", "partial")), ("amount_residual", ">", 0)],
                ("date_maturity", "<=", today + timedelta(days=longest or 0)),
            ]
        )
        steps = {issuer: issuer._overdue_steps() for issuer in lines.move_id.astpp_issuer_id}
        due, overdue = {}, {}
        for line in lines:
            move, day = line.move_id, fields.Datetime.to_datetime(line.date_maturity)
            late = (today - line.date_maturity).days
            reached = [step for step in steps[move.astpp_issuer_id] if step <= late]
            if 0 < -late <= move.astpp_issuer_id.due_days:
                due[move] = min(day, due.get(move, day))
            elif reached:
                # Of several instalments that are late, one mail a day: the event that was reached last.
                event = day + timedelta(days=reached[-1])
                overdue[move] = max(event, overdue.get(move, event))
        self._note_new("due", due)
        self._note_new("overdue", overdue)

    @api.model
    def _note_new(self, kind, dates):
        """Note events that are not noted yet; searching first keeps the scheduled action from triggering itself."""
        known = {
            (notice.move_id, notice.date)
            for notice in self.search([("kind", "=", kind), ("move_id", "in", [move.id for move in dates])])
        }
        new = {move: date for move, date in dates.items() if (move, date) not in known}
        # Customers are not reminded of invoices that their credit covers.
        covered = self.env["account.move"].union(*new)._astpp_covered()
        self._note(kind, {move: date for move, date in new.items() if move not in covered})
