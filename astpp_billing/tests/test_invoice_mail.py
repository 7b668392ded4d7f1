from datetime import timedelta
from unittest.mock import patch

from psycopg2.errors import SerializationFailure

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import HttpCase, freeze_time, tagged
from odoo.tools import mute_logger

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestInvoiceMail(AstppCommon, HttpCase):
    """Mails about invoices: one per event, and a failure affects only its own invoice."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reseller.partner_id.email = "billing@reseller.example"
        # The scheduled action runs as superuser.
        cls.notices = cls.env["astpp.notice"].sudo().with_context(force_report_rendering=True)

    def send(self):
        """Do what the scheduled action does, without its commits."""
        self.notices._note_due()
        self.notices._follow_mails()
        waiting = self.notices.search([("state", "=", "waiting")], order="id")
        with self.allow_pdf_render():
            waiting.filtered(lambda notice: notice.kind == "invoice").move_id._astpp_store_pdf()
            for notice in waiting:
                notice._make_mail()
        return waiting

    def mails(self, account):
        return self.env["mail.mail"].sudo().search([("recipient_ids", "in", account.partner_id.ids)], order="id")

    def invoice(self, account, **values):
        self.load(self.row(account, debit="10"))
        return self.bill(account, **values).move_ids

    def test_new_invoice(self):
        self.customer.call_list = "file"
        move = self.invoice(self.customer)
        self.assertFalse(self.mails(self.customer), "the run does not wait for mails")
        self.send()
        mail = self.mails(self.customer)
        self.assertIn(move.name, mail.subject)
        self.assertIn(move.access_token, mail.body_html)
        self.assertEqual(
            mail.attachment_ids.mapped("mimetype"), ["application/pdf", "text/csv"], "the document and the calls"
        )
        stored = move.invoice_pdf_report_id
        self.assertTrue(stored.raw.startswith(b"%PDF"))
        self.send()
        self.assertEqual(len(self.mails(self.customer)), 1, "one mail an event")
        self.assertEqual(move.invoice_pdf_report_id, stored)

    def test_hourly_limit(self):
        """A mail server with a limit gets no more mails per hour; the rest follow an hour later."""
        self.env["ir.config_parameter"].sudo().set_param("astpp_billing.mails_per_hour", "2")
        for account in [self.customer, *(self.make_account(f"Customer {n}") for n in range(2))]:
            self.invoice(account)
        waiting = self.notices.search([("state", "=", "waiting")], order="id")
        self.assertEqual(len(waiting), 3)
        self.assertEqual(self.notices._next_mails(), waiting[:2])
        self.send_only(waiting[:2])
        self.assertFalse(self.notices._next_mails())
        waiting[:2].mailed_date = fields.Datetime.now() - timedelta(minutes=61)
        self.assertEqual(self.notices._next_mails(), waiting[2:])
        self.env["ir.config_parameter"].sudo().set_param("astpp_billing.mails_per_hour", "many")
        self.assertEqual(self.notices._next_mails(), waiting[2:])

    def send_only(self, notices):
        with self.allow_pdf_render():
            for notice in notices:
                notice._make_mail()

    def test_mails_follow_preferences(self):
        self.customer.partner_id.astpp_mail_invoices = False
        silent = self.make_account()
        silent.partner_id.email = False
        moves = self.invoice(self.customer) | self.invoice(silent)
        self.operator.invoice_mode = "draft"
        draft = self.invoice(self.make_account())
        self.send()
        states = {notice.move_id: notice.state for notice in self.notices.search([("kind", "=", "invoice")])}
        self.assertEqual(states, {moves[0]: "off", moves[1]: "no_address"})
        self.assertTrue(all(moves.mapped("invoice_pdf_report_id")), "the document is kept all the same")
        self.assertFalse(draft.invoice_pdf_report_id)

    def test_drafts_are_told_to_the_accountant(self):
        self.operator.invoice_mode = "draft"
        self.server.responsible_id = self.env.user
        self.load(self.row(self.customer))
        run = self.bill(self.customer)
        told = run.message_ids.filtered(lambda message: self.env.user.partner_id in message.partner_ids)
        self.assertEqual(len(told), 1)
        self.assertIn("1 invoices wait as drafts", told.body)

    def test_brand(self):
        self.env.company.write({"name": "Secret Operator", "email": "secret@operator.example"})
        self.invoice(self.reseller_customer)
        self.send()
        mail = self.mails(self.reseller_customer)
        text = "".join((mail.subject, mail.body_html, mail.email_from, mail.reply_to))
        self.assertIn('"Reseller One" <billing@reseller.example>', mail.email_from)
        for secret in ("Secret Operator", "secret@operator", "Powered by"):
            self.assertNotIn(secret, text)

    def test_a_broken_document_does_not_stop_others(self):
        bad, good = self.make_account(), self.make_account()
        moves = self.invoice(bad) | self.invoice(good)
        send = type(self.env["account.move.send"])
        render = send._prepare_invoice_pdf_report

        def fails(records, invoices_data):
            if moves[0] in invoices_data:
                raise ValueError("no such font")
            return render(records, invoices_data)

        with (
            patch.object(send, "_prepare_invoice_pdf_report", fails),
            mute_logger("odoo.addons.astpp_billing.models.documents.account_move_pdf"),
            mute_logger("odoo.addons.astpp_billing.models.documents.astpp_notice_invoice"),
        ):
            self.send()
        self.assertEqual((len(self.mails(bad)), len(self.mails(good))), (0, 1))
        notice = self.notices.search([("move_id", "=", moves[0].id)])
        self.assertEqual(notice.state, "failed")
        notice.action_retry()
        self.send()
        self.assertEqual(len(self.mails(bad)), 1)

    def test_a_locked_invoice_is_mailed_later(self):
        self.invoice(self.customer)
        with patch.object(type(self.notices), "_mail_outcome", side_effect=SerializationFailure):
            self.send()
        self.assertEqual(self.notices.search([("kind", "=", "invoice")]).state, "waiting")
        self.send()
        self.assertEqual(len(self.mails(self.customer)), 1)

    def test_mail_server_is_down(self):
        self.invoice(self.customer)
        self.send()
        mail = self.mails(self.customer)
        notice = self.notices.search([("mail_id", "=", mail.id)])
        for attempt in range(1, 7):
            mail.write({"state": "exception", "failure_reason": "Connection refused"})
            self.notices._follow_mails()
            self.assertEqual(notice.attempts, attempt)
        self.assertEqual((notice.state, notice.message), ("failed", "Connection refused"))
        notice.action_retry()
        mail.sudo().unlink()
        self.notices._follow_mails()
        self.assertEqual(notice.state, "failed", "a mail that is gone was not sent")

    def test_open_invoices(self):
        self.operator.write({"due_days": 2, "overdue_days": "3, 10"})
        self.operator.payment_term_id = self.env["account.payment.term"].create(
            {"name": "10 days", "line_ids": [(0, 0, {"value": "percent", "value_amount": 100, "nb_days": 10})]}
        )
        move = self.invoice(self.customer, invoice_date="2024-02-01")
        self.assertEqual(str(move.invoice_date_due), "2024-02-11")
        sent = {}
        day = fields.Date.to_date("2024-02-01")
        while day < fields.Date.to_date("2024-03-15"):
            with freeze_time(f"{day} 08:00:00"):
                for notice in self.send():
                    sent.setdefault(notice.kind, []).append(str(day))
            day += timedelta(days=1)
        self.assertEqual(
            sent, {"invoice": ["2024-02-01"], "due": ["2024-02-09"], "overdue": ["2024-02-14", "2024-02-21"]}
        )
        with self.assertRaisesRegex(Exception, "no list of days"):
            self.operator.overdue_days = "3, x"

    def test_instalments(self):
        """Each instalment is reminded of on its own days, with its own amount; after a payment with what is left of it."""
        self.operator.write({"due_days": 2, "overdue_days": "3"})
        self.operator.payment_term_id = self.env["account.payment.term"].create(
            {"name": "Two parts", "line_ids": [(0, 0, {"value": "percent", "value_amount": 50, "nb_days": days})
                                               for days in (10, 30)]}
        )  # fmt: skip
        move = self.invoice(self.customer, invoice_date="2024-02-01")
        total = move.amount_total
        sent = []
        day = fields.Date.to_date("2024-02-01")
        while day < fields.Date.to_date("2024-03-15"):
            with freeze_time(f"{day} 08:00:00"):
                reminders = self.send().filtered(lambda notice: notice.kind != "invoice")
                sent += [(notice.kind, str(day), notice.mail_id) for notice in reminders]
            day += timedelta(days=1)
        self.assertEqual(
            [(kind, day) for kind, day, _mail in sent],
            [("due", "2024-02-09"), ("overdue", "2024-02-14"), ("due", "2024-02-29"), ("overdue", "2024-03-05")],
        )
        self.assertIn("02/11/2024", sent[0][2].subject)
        half, whole = (f"{amount:.2f}" for amount in (total / 2, total))
        for (_kind, day, mail), amount in zip(sent, (half, half, whole, whole), strict=True):
            self.assertIn(amount, mail.body_html, day)

    def test_one_reminder_for_all_that_is_overdue(self):
        """It lists what is overdue of the customer with this issuer, and other reminders of the day do not go out."""
        term = self.env["account.payment.term"].create(
            {"name": "10 days", "line_ids": [(0, 0, {"value": "percent", "value_amount": 100, "nb_days": 10})]}
        )
        self.operator.write({"overdue_days": "3", "reminders": "customer", "payment_term_id": term.id})
        second = self.make_account()
        second.partner_id = self.customer.partner_id
        moves = self.invoice(self.customer, invoice_date="2024-02-01") | self.invoice(second, invoice_date="2024-02-02")
        paid = self.invoice(self.make_account(), invoice_date="2024-02-01")
        with freeze_time("2024-03-15 08:00:00"):
            self.send()
            reminders = self.notices.search([("kind", "=", "overdue"), ("move_id", "in", moves.ids)], order="id")
        self.assertEqual(sorted(reminders.mapped("state")), ["off", "queued"])
        sent = reminders.filtered(lambda notice: notice.state == "queued")
        self.assertIn("in the reminder of", (reminders - sent).message)
        mail = sent.mail_id
        for move in moves:
            self.assertIn(move.name, mail.body_html)
        self.assertNotIn(paid.name, mail.body_html)
        self.assertEqual(len(mail.attachment_ids), 2)
        self.assertEqual(mail.body_html.count("11.50"), 2)

    def test_template_of_the_issuer(self):
        template = self.env.ref("astpp_billing.mail_template_invoice").copy(
            {"subject": "Our own words {{ object.name }}"}
        )
        self.operator.mail_template_id = template
        moves = self.invoice(self.customer) | self.invoice(self.reseller_customer)
        self.send()
        self.assertEqual(self.mails(self.customer).subject, f"Our own words {moves[0].name}")
        self.assertNotIn("Our own words", self.mails(self.reseller_customer).subject)

    def test_preview_on_a_real_invoice(self):
        with self.assertRaisesRegex(UserError, "no confirmed invoice yet"):
            self.operator.action_preview_mail()
        move = self.invoice(self.customer)
        action = self.operator.action_preview_mail()
        preview = self.env["mail.template.preview"].with_context(**action["context"]).create({})
        self.assertEqual(preview.resource_ref, move)
        self.assertIn(move.name, preview.subject)
        self.assertIn(f"/{move.id}", self.operator.action_preview_document()["url"])

    def test_printed_as_it_was_made(self):
        """*Print* gives the stored document, also among others; a pro-forma and drafts are made anew."""
        moves = self.invoice(self.customer) | self.invoice(self.make_account())
        report = self.env.ref("account.account_invoices")
        moves[0].invoice_pdf_report_file = False
        with self.allow_pdf_render():
            moves[0]._astpp_store_pdf()
            stored = moves[0].invoice_pdf_report_id.raw
            printing = self.env["ir.actions.report"].with_context(force_report_rendering=True)
            streams = printing._render_qweb_pdf_prepare_streams(report, {}, moves[:1].ids)
            self.assertEqual(streams[moves[0].id]["stream"].getvalue(), stored)
            both = printing._render_qweb_pdf_prepare_streams(report, {}, moves.ids)
        self.assertEqual(list(both), moves.ids)
        self.assertEqual(both[moves[0].id]["stream"].getvalue(), stored)
        self.assertTrue(both[moves[1].id]["stream"].getvalue().startswith(b"%PDF"))
        self.assertFalse(printing._astpp_stored(report, {"proforma": True}, moves.ids))

    def test_documents_of_several_languages_are_made_apart(self):
        self.env["res.lang"]._activate_lang("de_DE")
        german = self.make_account("Kundin")
        german.partner_id.lang = "de_DE"
        moves = self.invoice(self.customer) | self.invoice(german)
        send, made = type(self.env["account.move.send"]), []
        prepare = send._prepare_invoice_pdf_report

        def note(records, invoices_data):
            made.append((records.env.lang, [move.id for move in invoices_data]))
            return prepare(records, invoices_data)

        with patch.object(send, "_prepare_invoice_pdf_report", note), self.allow_pdf_render():
            moves.with_context(force_report_rendering=True)._astpp_store_pdf()
        self.assertEqual(sorted(made), [("de_DE", moves[1].ids), ("en_US", moves[0].ids)])

    def test_payment(self):
        move = self.invoice(self.customer)
        self.send()
        self.env["account.payment.register"].with_context(active_model="account.move", active_ids=move.ids).create(
            {}
        )._create_payments()
        self.send()
        self.assertIn("received", self.mails(self.customer)[-1].subject)
        with freeze_time("2030-01-01"):
            self.assertFalse(self.send(), "paid: no reminder")
