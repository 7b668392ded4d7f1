from odoo.exceptions import UserError
from odoo.tests import HttpCase, new_test_user, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestInvoiceSend(AstppCommon, HttpCase):
    """Odoo's *Send* mails an issuer's invoice in the issuer's name and words, and no second mail follows."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.company.write({"name": "Secret Operator", "email": "secret@operator.example"})
        cls.reseller.partner_id.email = "billing@reseller.example"
        cls.accountant = new_test_user(
            cls.env, login="sends", groups="account.group_account_invoice", company_id=cls.env.company.id,
            company_ids=[(6, 0, cls.env.company.ids)], email="accountant@operator.example", name="Secret Accountant",
        )  # fmt: skip
        cls.notices = cls.env["astpp.notice"].sudo().with_context(force_report_rendering=True)

    def invoice(self, account):
        self.load(self.row(account, debit="10"))
        return self.bill(account).move_ids

    def wizard(self, moves, **values):
        kind = "account.move.send.wizard" if len(moves) == 1 else "account.move.send.batch.wizard"
        wizards = self.env[kind].with_user(self.accountant)
        wizards = wizards.with_context(active_model="account.move", active_ids=moves.ids, force_report_rendering=True)
        return wizards.create(values)

    def send(self, moves, **values):
        with self.allow_pdf_render():
            self.wizard(moves, **values).action_send_and_print()

    def send_waiting(self):
        """Do what the scheduled action does, without its commits."""
        waiting = self.notices._next_mails()
        with self.allow_pdf_render():
            for notice in waiting:
                notice._make_mail()

    def mails(self, *accounts):
        partners = [account.partner_id.id for account in accounts]
        return self.env["mail.mail"].sudo().search([("recipient_ids", "in", partners)], order="id")

    def notice(self, move):
        return self.notices.search([("move_id", "=", move.id), ("kind", "=", "invoice")])

    def assertReseller(self, mail):
        self.assertEqual(mail.email_from, '"Reseller One" <billing@reseller.example>')
        self.assertEqual(mail.reply_to, mail.email_from)
        self.assertEqual(mail.author_id, self.reseller.partner_id)
        text = "".join((mail.subject, mail.body_html, mail.email_from, mail.reply_to, mail.author_id.display_name))
        self.assertIn("Reseller One", text)
        for secret in ("Secret", "secret@operator", "accountant@operator", "Powered by"):
            self.assertNotIn(secret, text)

    def test_in_the_resellers_name(self):
        move = self.invoice(self.reseller_customer)
        wizard = self.wizard(move)
        self.assertEqual(wizard.template_id, self.env.ref("astpp_billing.mail_template_invoice"))
        self.assertEqual(wizard.subject, f"Reseller One: Invoice {move.name}")
        self.assertEqual(wizard.mail_partner_ids, move.partner_id)
        self.send(move)
        mail = self.mails(self.reseller_customer)
        self.assertReseller(mail)
        self.assertIn("Please find attached", mail.body_html)
        self.assertEqual(mail.attachment_ids.mapped("mimetype"), ["application/pdf"])
        self.assertTrue(move.is_move_sent)

    def test_whatever_template_is_chosen(self):
        move = self.invoice(self.reseller_customer)
        other = self.env.ref("account.email_template_edi_invoice")
        wizard = self.wizard(move, template_id=other.id)
        wizard.write({"subject": "My words", "body": "<p>Hello</p>"})
        with self.allow_pdf_render():
            wizard.action_send_and_print()
        mail = self.mails(self.reseller_customer)
        self.assertEqual((mail.subject, "Hello" in mail.body_html), ("My words", True))
        self.assertReseller(mail)

    def test_paid_orders_are_sent_in_the_resellers_words(self):
        """A generic template that a payment uses is not sent for a reseller's invoice."""
        move = self.invoice(self.reseller_customer)
        template = self.env.ref("account.email_template_edi_invoice")
        send = self.env["account.move.send"].with_context(force_report_rendering=True)
        with self.allow_pdf_render():
            send._generate_and_send_invoices(move, mail_template=template)
        mail = self.mails(self.reseller_customer)
        self.assertIn("Reseller One: Invoice", mail.subject)
        self.assertReseller(mail)

    def test_payments_send_nothing_by_themselves(self):
        """Odoo would mail invoices that are paid and unsent, even to customers who want no mails."""
        self.reseller_issuer.notify_invoice = False
        move = self.invoice(self.reseller_customer)
        self.send_waiting()
        self.assertEqual((self.notice(move).state, move.is_move_sent), ("off", False))
        self.assertFalse(move._is_ready_to_be_sent())
        ordinary = self.init_invoice("out_invoice", partner=self.customer.partner_id, amounts=[5], post=True)
        self.assertTrue(ordinary._is_ready_to_be_sent())

    def test_operators_and_ordinary_invoices(self):
        move = self.invoice(self.customer)
        self.send(move)
        mail = self.mails(self.customer)
        self.assertIn("secret@operator.example", mail.email_from)
        self.assertIn(move.name, mail.subject)
        ordinary = self.init_invoice("out_invoice", partner=self.customer.partner_id, amounts=[5], post=True)
        template = self.env.ref("account.email_template_edi_invoice")
        self.assertEqual(ordinary._get_mail_template(), template)
        self.assertEqual((move | ordinary)._get_mail_template(), template)
        self.send(ordinary)
        self.assertIn("Powered by", self.mails(self.customer)[-1].body_html)

    def test_not_mailed_again(self):
        move = self.invoice(self.reseller_customer)
        self.send(move)
        notice = self.notice(move)
        self.assertEqual((notice.state, notice.message), ("off", "Sent by hand."))
        self.send_waiting()
        self.assertEqual(len(self.mails(self.reseller_customer)), 1)
        notice.action_retry()
        self.send_waiting()
        self.assertEqual(len(self.mails(self.reseller_customer)), 1)
        self.send(move)
        self.assertEqual(len(self.mails(self.reseller_customer)), 2, "again is his wish")

    def test_not_mailed_again_if_the_document_existed(self):
        move = self.invoice(self.reseller_customer)
        with self.allow_pdf_render():
            move.with_context(force_report_rendering=True)._astpp_store_pdf()
        self.assertFalse(move.is_move_sent, "a document that waits for its mail is not sent")
        self.send(move)
        self.send_waiting()
        self.assertTrue(move.is_move_sent)
        self.assertEqual(len(self.mails(self.reseller_customer)), 1)

    def test_queued_mail_is_cancelled(self):
        move = self.invoice(self.reseller_customer)
        self.send_waiting()
        queued = self.mails(self.reseller_customer)
        self.assertTrue(move.is_move_sent)
        self.send(move)
        self.assertEqual((queued.state, self.notice(move).state), ("cancel", "off"))
        self.notices._follow_mails()
        self.assertEqual(self.notice(move).state, "off")

    def test_a_copy_for_somebody_else(self):
        """A copy for a colleague does not cancel the customer's own mail."""
        move = self.invoice(self.reseller_customer)
        self.send(move, mail_partner_ids=[(6, 0, self.accountant.partner_id.ids)])
        self.assertEqual(self.notice(move).state, "waiting")
        self.send_waiting()
        self.assertEqual(len(self.mails(self.reseller_customer)), 1)

    def test_many_at_once(self):
        """Nothing is mailed between the button and Odoo's scheduled action; each invoice is mailed once in the end."""
        moves = self.invoice(self.reseller_customer) | self.invoice(self.customer)
        self.send(moves)
        self.send_waiting()
        self.assertFalse(self.mails(self.reseller_customer, self.customer))
        for notice in self.notice(moves[0]) | self.notice(moves[1]):
            notice._make_mail()
        self.assertFalse(self.mails(self.reseller_customer, self.customer))
        self.assertTrue(all(moves.mapped("sending_data")))
        send = self.env["account.move.send"].sudo().with_context(force_report_rendering=True)
        with self.allow_pdf_render():
            send._generate_and_send_invoices(moves, from_cron=True)
        self.send_waiting()
        self.assertReseller(self.mails(self.reseller_customer))
        self.assertEqual(len(self.mails(self.customer)), 1)
        self.assertEqual({self.notice(move).state for move in moves}, {"off"})

    def test_reseller_without_an_address(self):
        self.reseller.partner_id.email = False
        move = self.invoice(self.reseller_customer)
        with self.assertRaisesRegex(UserError, "Reseller One has no e-mail address"):
            self.send(move)
        send = self.env["account.move.send"].with_context(force_report_rendering=True)
        with self.allow_pdf_render():
            send._generate_and_send_invoices(move, allow_raising=False, allow_fallback_pdf=True)
        self.assertFalse(self.mails(self.reseller_customer))
        self.assertIn("has no e-mail address", " ".join(move.message_ids.mapped("body")))

    def test_list_of_calls_is_attached(self):
        self.reseller_customer.call_list = "file"
        move = self.invoice(self.reseller_customer)
        self.assertIn("R1-00001.csv", [each["name"] for each in self.wizard(move).mail_attachments_widget])
        self.send(move)
        kinds = self.mails(self.reseller_customer).attachment_ids.mapped("mimetype")
        self.assertEqual(sorted(kinds), ["application/pdf", "text/csv"])
        wizard = self.wizard(move)
        wizard.mail_attachments_widget = [
            each | {"skip": each["name"].endswith("csv")} for each in wizard.mail_attachments_widget
        ]
        with self.allow_pdf_render():
            wizard.action_send_and_print()
        self.assertEqual(self.mails(self.reseller_customer)[-1].attachment_ids.mapped("mimetype"), ["application/pdf"])

    def test_asked_for_on_the_portal(self):
        """The new request replaces the waiting mail, so only one is sent."""
        move = self.invoice(self.reseller_customer)
        move._astpp_send_again()
        move._astpp_send_again()
        self.send_waiting()
        self.assertEqual(len(self.mails(self.reseller_customer)), 1)
        self.assertEqual(sorted(self.notice(move).mapped("state")), ["off", "queued"])
