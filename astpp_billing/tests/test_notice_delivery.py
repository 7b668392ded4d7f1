import runpy
from unittest.mock import patch

from odoo.tests import freeze_time, new_test_user, tagged
from odoo.tools.misc import file_path

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestNoticeDelivery(AstppCommon):
    """A notice is *Sent* once its mail was sent; failures are listed and reported once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keeper = new_test_user(cls.env, login="keeper", groups="account.group_account_manager")
        cls.server.responsible_id = cls.keeper
        cls.notices = cls.env["astpp.notice"].sudo()

    def queue(self, *accounts):
        """Bill accounts and queue the mails of their invoices."""
        self.load(*(self.row(account, debit="10") for account in accounts))
        moves = self.bill(*accounts).move_ids
        notices = self.notices.search([("move_id", "in", moves.ids), ("kind", "=", "invoice")], order="id")
        self.make(notices)
        return notices

    def make(self, notices):
        """Queue the mails; their attachments do not matter here."""
        none = self.env["ir.attachment"]
        with patch.object(type(notices.move_id), "_astpp_attachments", lambda _move: none):
            for notice in notices:
                notice._make_mail()

    def notification(self, notice):
        return self.env["mail.notification"].sudo().search([("mail_message_id", "=", notice.mail_message_id.id)])

    def leave(self, notice, *failure):
        """Do what Odoo's mail queue does when it sends a mail or fails to: see mail.mail._send."""
        partners = [] if failure else [notice.partner_id]
        values = dict(zip(("failure_type", "failure_reason"), failure, strict=False))
        notice.mail_id.write({"state": "exception" if failure else "sent", **values})
        notice.mail_id._postprocess_sent_message(success_pids=partners, success_emails=[], **values)

    def follow(self):
        self.notices._follow_mails()

    def alert(self):
        return self.server._alerts("mail")

    def test_sent(self):
        notice = self.queue(self.customer)
        self.assertEqual(self.notification(notice).notification_status, "ready")
        self.follow()
        self.assertEqual(notice.state, "queued", "it waits")
        self.leave(notice)
        self.assertFalse(notice.mail_id, "Odoo deletes what it sent")
        self.follow()
        self.assertEqual((notice.state, notice.message, notice.attempts), ("sent", False, 0))
        self.assertEqual(self.notification(notice).notification_status, "sent")
        self.assertFalse(self.alert())

    def test_deleted_before_it_was_sent(self):
        notice = self.queue(self.customer)
        notice.mail_id.unlink()
        self.follow()
        self.assertEqual((notice.state, notice.message), ("failed", "The mail was deleted before it was sent."))
        self.assertFalse(notice.move_id.is_move_sent)
        self.assertIn(notice.move_id.name, self.alert().note)
        notice.action_retry()
        self.assertFalse(self.alert(), "nothing is failed any more")
        self.make(notice)
        self.leave(notice)
        self.follow()
        self.assertEqual((notice.state, notice.move_id.is_move_sent), ("sent", True))

    def test_refused_address(self):
        """Odoo deletes such mails as if they had been sent."""
        notice = self.queue(self.customer)
        self.leave(notice, "mail_email_invalid", "no such domain")
        self.assertFalse(notice.mail_id)
        self.follow()
        self.assertEqual((notice.state, notice.message), ("failed", "no such domain"))

    def test_retries_are_limited(self):
        notice = self.queue(self.customer)
        for attempt in range(1, 7):
            self.assertEqual(notice.state, "queued")
            self.leave(notice, "unknown", "Connection refused")
            self.follow()
            self.assertEqual((notice.attempts, notice.message), (attempt, "Connection refused"))
        self.assertEqual((notice.state, notice.mail_id.state), ("failed", "exception"))
        notice.action_retry()
        self.assertEqual((notice.state, notice.mail_id.state), ("queued", "outgoing"))
        self.leave(notice)
        self.follow()
        self.assertEqual(notice.state, "sent")

    def test_cancelled(self):
        first, second = self.queue(self.customer, self.make_account())
        first.mail_id.cancel()
        self.notification(second).notification_status = "canceled"
        self.follow()
        self.assertEqual({first.state, second.state}, {"failed"})
        self.assertEqual({first.message, second.message}, {"The mail was cancelled."})
        (first | second).action_retry()
        for notice in first | second:
            self.leave(notice)
        self.follow()
        self.assertEqual({first.state, second.state}, {"sent"})

    def test_bounced(self):
        """A bounce arrives long after the mail was sent."""
        notice, other = self.queue(self.customer, self.make_account())
        for each in notice | other:
            self.leave(each)
        self.follow()
        self.notification(notice).write({"notification_status": "bounce", "failure_type": "mail_bounce"})
        self.follow()
        self.assertEqual((notice.state, other.state), ("failed", "sent"))
        self.assertIn("came back", notice.message)

    def test_one_query_for_all(self):
        """One query finds all news, however many mails there are, and skips those already sent."""
        notices = self.queue(*(self.make_account() for _n in range(3)))
        for notice in notices[:2]:
            self.leave(notice)
        self.env.flush_all()
        with self.assertQueryCount(2):
            self.notices._note_news(self.notices._mail_news())
        self.assertEqual(notices.mapped("state"), ["sent", "sent", "queued"])
        with self.assertQueryCount(1):
            self.assertFalse(self.notices._mail_news(), "neither sent nor waiting mails are news")

    def test_failures_are_reported_once(self):
        first, second, third = self.queue(self.customer, self.make_account(), self.make_account())
        first.mail_id.unlink()
        self.follow()
        self.assertEqual((len(self.alert()), self.alert().user_id), (1, self.keeper))
        self.alert().action_feedback()
        self.follow()
        self.assertFalse(self.alert(), "whoever marks it as done knows")
        second.mail_id.unlink()
        self.follow()
        self.assertIn("1 mails", self.alert().summary)
        self.assertNotIn(first.move_id.name, self.alert().note)
        third.mail_id.unlink()
        self.follow()
        self.assertEqual(len(self.alert()), 1)
        (first | second).with_user(self.keeper).action_retry()
        self.assertTrue(self.alert(), "one is failed still")
        third.action_retry()
        self.assertFalse(self.alert())

    def test_mail_that_cannot_be_rendered_is_reported(self):
        self.reseller.partner_id.email = False
        notice = self.queue(self.reseller_customer)
        self.follow()
        self.assertEqual(notice.state, "failed")
        self.assertIn("has no e-mail address", self.alert().note)

    @freeze_time("2024-01-01 10:00:00")
    def test_orders(self):
        orders = [self.subscribe(account, self.make_product()) for account in (self.customer, self.make_account())]
        for order in orders:
            order._notify("renewed")
        first, second = (order.notice_ids.sudo() for order in orders)
        first.mail_id.unlink()
        self.leave(second)
        self.follow()
        self.assertEqual((first.state, second.state), ("failed", "sent"))
        self.assertIn(orders[0].name, self.alert().note)
        first.action_retry()
        self.assertEqual((first.state, first.mail_id.state), ("queued", "outgoing"))
        self.leave(first)
        self.follow()
        self.assertEqual(first.state, "sent")

    def test_several_failures_of_one_order(self):
        with freeze_time("2024-01-01 10:00:00"):
            order = self.subscribe(self.customer, self.make_product())
        for day in ("2024-01-02", "2024-01-03"):
            with freeze_time(f"{day} 10:00:00"):
                order._notify("suspended")
        notices = order.notice_ids.sudo()
        notices.mail_id.unlink()
        self.follow()
        notices.action_retry()
        self.assertEqual(len(notices.mail_id), 2)
        self.follow()
        self.assertEqual(set(notices.mapped("state")), {"queued"})

    def test_mails_of_the_previous_version(self):
        """Mails that were waiting during the upgrade are tracked; those already deleted count as sent."""
        waits, gone = self.queue(self.customer, self.make_account())
        (self.notification(waits) | self.notification(gone)).unlink()
        (waits | gone).mail_id.is_notification = False
        gone.mail_id.unlink()
        waits.mail_message_id.is_internal = False
        (waits | gone).mail_message_id = False
        self.env.flush_all()
        path = file_path("astpp_billing/migrations/19.0.1.4.0/post-mails_in_the_queue.py")
        runpy.run_path(path)["migrate"](self.env.cr, "19.0.1.3.0")
        self.env.invalidate_all()
        self.assertEqual((waits.state, gone.state), ("queued", "sent"))
        self.assertTrue(waits.mail_message_id.is_internal)
        self.leave(waits)
        self.follow()
        self.assertEqual((waits.state, waits.mail_id.id), ("sent", False))

    def test_customers_page_shows_no_mails(self):
        notice = self.queue(self.reseller_customer)
        self.assertTrue(notice.mail_message_id.is_internal)
