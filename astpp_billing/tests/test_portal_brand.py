import io
from email.utils import parseaddr

from PIL import Image

from odoo.exceptions import ValidationError
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools.pdf import PdfFileReader

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestPortalBrand(AstppCommon, HttpCase):
    """A reseller's customer sees the reseller's brand on every page, never the operator's."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.company.write({"name": "Operator Unlimited"})
        picture = io.BytesIO()
        Image.new("RGB", (40, 20), "red").save(picture, "PNG")
        cls.reseller_issuer.write({"name": "Bright Voice", "brand_color": "#0B7A75"})
        cls.reseller_issuer._set_logo(picture.getvalue())
        cls.reseller_issuer.partner_id.email = "hello@bright.example"
        for name, account in (("below", cls.reseller_customer), ("own", cls.customer), ("seller", cls.reseller)):
            user = new_test_user(cls.env, login=f"b.{name}", password=f"b.{name}xxxx", groups="base.group_portal")
            user.partner_id.parent_id = account.partner_id
        cls.load_calls(cls.reseller_customer, "10")
        cls.load_calls(cls.customer, "10")
        cls.move = cls.bill(cls, cls.reseller_customer).move_ids
        cls.own_move = cls.bill(cls, cls.customer).move_ids

    def page(self, name, url):
        self.authenticate(f"b.{name}", f"b.{name}xxxx") if name else self.authenticate(None, None)
        return self.url_open(url)

    def test_pages(self):
        move = f"/my/invoices/{self.move.id}"
        for url in ("/my", "/my/invoices", "/my/charges?period=all", "/my/services", move, "/my/account"):
            page = self.page("below", url).text
            self.assertIn("Bright Voice", page, url)
            self.assertIn('name="astpp_brand"', page, url)
            self.assertNotIn("Operator Unlimited", page, url)
            self.assertNotIn('src="/logo.png', page, url)
        self.assertIn("Operator Unlimited", self.page("own", "/my").text)
        self.assertNotIn("Bright Voice", self.page("own", "/my").text)

    def test_link_of_a_mail(self):
        """Anyone with an invoice's link sees who issued it."""
        page = self.page(None, self.move.get_portal_url()).text
        self.assertIn('name="astpp_brand"', page)
        self.assertNotIn("Operator Unlimited", page)
        document = self.page(None, self.move.get_portal_url(report_type="html")).text
        self.assertNotIn("roforma", document, "it is the invoice itself")
        self.assertIn("#0B7A75", document)
        self.assertNotIn('name="astpp_brand"', self.page(None, self.own_move.get_portal_url()).text)

    def test_one_pdf_and_groups(self):
        with self.allow_pdf_render():
            self.move.with_context(force_report_rendering=True)._astpp_store_pdf()
        self.page("seller", "/my")
        data = {"csrf_token": self.csrf(), "act": "pdf", "move_id": self.move.id}
        answer = self.url_open("/my/reseller/invoices/act", data=data)
        self.assertEqual(answer.headers["Content-Type"], "application/pdf")
        self.assertTrue(len(PdfFileReader(io.BytesIO(answer.content)).pages))
        page = self.url_open("/my/reseller/invoices?groupby=customer").text
        self.assertIn('scope="rowgroup"', page)
        self.assertEqual(self.url_open("/my/reseller/invoices?groupby=x").status_code, 200)

    def csrf(self):
        from odoo import http  # noqa: PLC0415

        return http.Request.csrf_token(self)

    def test_number_preview(self):
        """The preview shows the next invoice's number and changes nothing."""
        self.page("seller", "/my")
        url = f"/my/reseller/settings/number?issuer_id={self.reseller_issuer.id}"
        self.assertEqual(self.url_open(f"{url}&prefix=NEW-&first_number=40&padding=4").text, "NEW-0040")
        self.assertEqual(
            self.url_open(f"{url}&prefix=&first_number=x&padding=99").text, self.reseller_issuer.next_number
        )
        self.assertEqual(self.url_open("/my/reseller/settings/number?issuer_id=0").status_code, 404)
        self.assertNotEqual(self.reseller_issuer.prefix, "NEW-")

    def test_sender_and_answers(self):
        self.reseller_issuer.write({"sender_name": "Bright Billing", "reply_to": "answers@bright.example"})
        self.assertEqual(parseaddr(self.reseller_issuer._email_from()), ("Bright Billing", "hello@bright.example"))
        template = self.env.ref("astpp_billing.mail_template_invoice")
        values = template._generate_template(self.move.ids, ["email_from", "reply_to", "subject"])[self.move.id]
        self.assertEqual(values["reply_to"], "answers@bright.example")
        self.assertEqual(values["subject"], f"Bright Voice: Invoice {self.move.name}")
        for wrong in ({"reply_to": "nobody"}, {"brand_color": "red;}"}, {"sender_name": "a\r\nBcc: b"}):
            with self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.reseller_issuer.write(wrong)
