from odoo.tests import freeze_time, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestNotice(AstppCommon):
    """Mails about subscriptions: one per event, in the customer's language and the issuer's name."""

    def remind(self):
        due = self.env["astpp.notice"]._due_reminders()
        self.env["astpp.subscription"].browse(due)._notify("reminder")
        return len(due)

    def mails(self, account):
        return self.env["mail.mail"].sudo().search([("recipient_ids", "in", account.partner_id.ids)], order="id")

    @freeze_time("2024-01-01 10:00:00")
    def test_one_reminder_for_each_renewal(self):
        subscription = self.subscribe(self.customer, self.make_product(name="Fibre", price=12))
        self.assertFalse(self.remind())
        with freeze_time("2024-01-29 10:00:00"):
            self.assertEqual((self.remind(), self.remind()), (1, 0))
            mail = self.mails(self.customer)
            self.assertIn("Fibre renews on 02/01/2024", mail.subject)
            self.assertIn("12.00", mail.body_html)
        with freeze_time("2024-01-30 10:00:00"):
            self.assertEqual(self.remind(), 0, "not every day")
        with freeze_time("2024-02-01 10:00:00"):
            self.renew()
            self.assertIn("Fibre was renewed", self.mails(self.customer)[-1].subject)
        with freeze_time("2024-02-28 10:00:00"):
            self.assertEqual(self.remind(), 1)
            subscription._terminate(self.env.ref("astpp_billing.close_reason_request"))
            self.assertIn("Fibre has ended", self.mails(self.customer)[-1].subject)
            self.assertEqual(self.remind(), 0)
        self.assertEqual(subscription.notice_ids.mapped("kind"), ["ended", "reminder", "renewed", "reminder"])

    def test_templates_render_with_any_record(self):
        """Odoo renders a template with an arbitrary record when the template is saved."""
        draft = self.env["astpp.subscription"].create(
            {"account_id": self.customer.id, "product_id": self.make_product().id}
        )
        invoice = self.init_invoice("out_invoice", products=self.product_a)
        for kind in ("reminder", "renewed", "suspended", "ended", "invoice", "due", "overdue", "payment"):
            template = self.env.ref(f"astpp_billing.mail_template_{kind}").sudo()
            record = draft if template.model == "astpp.subscription" else invoice
            for field in ("subject", "body_html", "email_from"):
                template._render_field(field, record.ids)

    @freeze_time("2024-01-01 10:00:00")
    def test_no_reminder_for_what_will_not_renew(self):
        ending = self.subscribe(self.customer, self.make_product())
        ending.end_date = ending.next_date
        self.subscribe(self.customer, self.make_product(astpp_recurring=False))
        off = self.make_account(parent_id=self.reseller.id)
        self.reseller_issuer.notify_reminder = False
        self.subscribe(off, self.make_product())
        silent = self.make_account()
        silent.partner_id.email = False
        self.subscribe(silent, self.make_product())
        with freeze_time("2024-01-30 10:00:00"):
            self.remind()
        self.assertFalse(self.mails(self.customer) | self.mails(off) | self.mails(silent))
        states = self.env["astpp.notice"].search([]).mapped("state")
        self.assertEqual(
            sorted(states), ["no_address", "off", "queued"], "the reseller is told of what he pays himself"
        )

    @freeze_time("2024-01-01 10:00:00")
    def test_brand_and_language(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        partner = self.reseller_customer.partner_id
        partner.lang = "fr_FR"
        product = self.make_product(name="Fibre")
        product.with_context(lang="fr_FR").name = "Fibre optique"
        self.reseller.partner_id.email = "billing@reseller.example"
        self.subscribe(self.reseller_customer, product)
        with freeze_time("2024-01-30 10:00:00"):
            self.remind()
        mail = self.mails(self.reseller_customer)
        self.assertIn("Fibre optique", mail.subject)
        self.assertEqual(mail.email_from, '"Reseller One" <billing@reseller.example>')
        self.assertEqual(mail.reply_to, mail.email_from)
        text = "".join((mail.subject, mail.body_html, mail.email_from, mail.reply_to))
        self.assertIn("Reseller One", text)
        for secret in (self.env.company.name, self.env.company.email or "no mail address", "Odoo"):
            self.assertNotIn(secret, text)

    @freeze_time("2024-01-01 10:00:00")
    def test_a_broken_mail_does_not_stop_others(self):
        """The charge stands, the others get their mails, and the failure is listed."""
        good, bad = self.make_account(), self.make_account()
        orders = [self.subscribe(account, self.make_product()) for account in (good, bad)]
        template = self.env.ref("astpp_billing.mail_template_renewed")
        template.subject = f"{{{{ 1 / (object.account_id.id - {bad.id}) }}}}"
        with freeze_time("2024-02-01 10:00:00"):
            self.renew()
        self.assertEqual([str(order.next_date.date()) for order in orders], ["2024-03-01"] * 2)
        self.assertEqual((len(self.mails(good)), len(self.mails(bad))), (1, 0))
        failed = self.env["astpp.notice"].search([("state", "=", "failed")])
        self.assertEqual(failed.subscription_id, orders[1])
        self.assertTrue(failed.message)
