import csv
import io
import re
import zipfile

from openpyxl import load_workbook

from odoo.tests import new_test_user, tagged

from .portal_walk_common import PortalWalkCommon

SCRIPT = "<script>alert(1)</script>"
FORMULAS = ("=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "＝1", "http://evil.example", "internal:Sheet1!A1")
PREFIXES = ('Q"; x=', "..\\..\\", "../../", "A/B:", "%0d%0aX-Evil:1-", "'; filename=x", "é€-", "<b>-")


@tagged("post_install", "-at_install")
class TestPortalText(PortalWalkCommon):
    """Names, numbers and descriptions are plain text in pages, mails, documents, files and headers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.owner.partner_id.write({"name": f"{SCRIPT}Inc", "street": SCRIPT, "email": "owner@example.com"})
        cls.reseller_issuer.write({"name": f"{SCRIPT}Telecom", "prefix": "<b>", "invoice_mode": "draft"})
        cls.reseller.partner_id.write({"name": SCRIPT, "email": "reseller@example.com"})
        cls.owner.number = f"={SCRIPT}"
        cls.owner.call_list = "annex"
        cls.product = cls.make_product(
            "package", name=f"{SCRIPT}Talk", astpp_can_purchase=True, astpp_can_resell=True, astpp_free_minutes=9
        )
        cls.subscription = cls.subscribe(cls.owner, cls.product)
        cls.load(
            *(
                cls.row(
                    cls.owner, callednum=text, callerid=text, notes=f"{text}{SCRIPT}", callstart="2024-02-03 10:00:00"
                )
                for text in FORMULAS
            )
        )
        run = cls.bill(cls, cls.owner, date="2024-03-01", invoice_date="2024-03-01")
        cls.move = run.move_ids

    def assertHarmless(self, text, message=None):
        self.assertIn("alert(1)", text, message)
        self.assertNotIn("<script>alert(1)", text, message)

    def test_pages(self):
        self.move._post(soft=False)
        pages = {
            "customer": ("/my/charges?period=all", "/my/services",
                         f"/my/invoices/{self.move.id}?report_type=html"),
            "reseller": ("/my/reseller/customers", f"/my/reseller/customers/{self.owner.id}", "/my/reseller/settings",
                         "/my/reseller/invoices", "/my/charges?period=all&below=1",
                         f"/my/charges?period=all&account_id={self.owner.id}", "/my/reseller/billing"),
        }  # fmt: skip
        self.load_calls(self.owner, "5", callstart="2024-03-03 10:00:00")
        for actor, urls in pages.items():
            self.sign_in(actor)
            for url in urls:
                with self.subTest(url=url):
                    self.assertHarmless(self.get(url).text)
        for query in ("search", "search_in", "sortby", "filterby", "period", "account_id", "below"):
            for url in ("/my/charges", "/my/reseller/invoices", "/my/reseller/customers"):
                with self.subTest(url=url, query=query):
                    self.assertNotIn("<script>alert(1)", self.get(f"{url}?{query}={SCRIPT}&x=1").text)

    def test_messages(self):
        """What an error message quotes from a form is escaped."""
        self.sign_in("reseller")
        for name in ("prefix", "overdue_days"):
            self.post("/my/reseller/settings", {"issuer_id": str(self.reseller_issuer.id), name: f"OX-{SCRIPT}"})
            self.assertNotIn("<script>alert(1)", self.get("/my/reseller/settings").text)

    def test_document_and_mail(self):
        self.move._post(soft=False)
        html = self.env["ir.actions.report"]._render_qweb_html("account.account_invoices", self.move.ids)[0].decode()
        self.assertHarmless(html)
        notice = self.env["astpp.notice"].search([("move_id", "=", self.move.id), ("kind", "=", "invoice")]).sudo()
        notice._make_mail()
        self.subscription._notify("reminder")
        mails = (
            notice.mail_id | self.env["astpp.notice"].search([("subscription_id", "=", self.subscription.id)]).mail_id
        )
        self.assertEqual(len(mails), len(mails.filtered("body_html")))
        self.assertGreaterEqual(len(mails), 2)
        for mail in mails:
            self.assertHarmless(mail.body_html, mail.subject)

    def test_headers_of_mails(self):
        """A name with a line break could add a header, or make the mail impossible to send."""
        self.sign_in("reseller")
        name = "Brand\r\nBcc: spy@example.com\x1f"
        form = {"issuer_id": str(self.reseller_issuer.id), "name": name, "sender_name": name}
        self.post("/my/reseller/settings", form)
        self.assertEqual(self.reseller_issuer.sender_name, "Brand Bcc: spy@example.com")
        self.assertEqual(self.reseller_issuer.name, "Brand Bcc: spy@example.com")
        self.post(
            "/my/reseller/customers/new",
            {"number": "N\r\n1", "name": name, "email": "a@example.com\nBcc: b@example.com"},
        )
        made = self.env["astpp.account"].search([("number", "=", "N 1")])
        self.assertNotIn("\n", f"{made.partner_id.name}{made.partner_id.email}")

    def rows_of(self, content):
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))

    def assertNoFormula(self, rows):
        """Texts that look like a formula are quoted, while amounts stay numbers."""
        heads, *lines = rows
        self.assertTrue(lines)
        for line in lines:
            cells = dict(zip(heads, line, strict=True))
            self.assertGreaterEqual(float(cells["Debit"]), 0)
            self.assertTrue(cells["Seconds"].isdecimal())
            for name, cell in cells.items():
                self.assertFalse(cell[:1] in "=+-@\t\r＝" and cell, (name, cell))

    def test_csv(self):
        new_test_user(self.env, login="walk.books", password="walk.books", groups="account.group_account_readonly",
                      company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)])  # fmt: skip
        self.sign_in("customer")
        rows = self.rows_of(self.get("/my/charges.csv?period=all").content)
        self.assertNoFormula(rows)
        self.assertEqual({row[1] for row in rows[1:]}, {f"'={SCRIPT}"})
        self.sign_in("books")
        self.assertNoFormula(self.rows_of(self.get("/astpp_billing/charges.csv").content))
        for query in ("date_from=x", "date_to=%27", "date_from=2024-02-30"):
            self.assertEqual(self.get(f"/astpp_billing/charges.csv?{query}").status_code, 400, query)
        for query in ("date_from=2024-02-03", "move_id=x", "account_id=" + "9" * 30):
            self.assertEqual(self.get(f"/astpp_billing/charges.csv?{query}").status_code, 200, query)
        self.assertNoFormula(self.rows_of(self.env["astpp.usage"]._history_csv([("account_id", "=", self.owner.id)])))

    def test_xlsx(self):
        self.sign_in("customer")
        sheet = load_workbook(io.BytesIO(self.get("/my/charges.xlsx?period=all").content)).active
        heads = [cell.value for cell in sheet[1]]
        for row in sheet.iter_rows(min_row=2):
            for head, cell in zip(heads, row, strict=True):
                self.assertIn(cell.data_type, "n" if head in ("Seconds", "Debit", "Credit") else "sn", head)
                self.assertFalse(cell.hyperlink, "no link that a caller chose")

    def test_rejected_lines(self):
        usage_import = self.env["astpp.usage.import"].create({"server_id": self.server.id})
        usage_import._import_stream(self.csv_file(*(f"{text};x" for text in FORMULAS)), "=cmd.csv")
        rows = self.rows_of(self.env["ir.attachment"].search(
            [("res_model", "=", "astpp.usage.import"), ("res_id", "=", usage_import.id), ("res_field", "=", "rejects_file")]
        ).raw)  # fmt: skip
        self.assertEqual(len(rows), len(FORMULAS) + 1)
        for row in rows[1:]:
            self.assertFalse([cell for cell in row if cell[:1] in tuple("=+-@\t＝")], row)

    def test_prefixes(self):
        """Any prefix makes a valid number, but none makes a path or a header."""
        self.sign_in("reseller")
        form = {"issuer_id": str(self.reseller_issuer.id)}
        for prefix in PREFIXES:
            with self.subTest(prefix=prefix):
                if self.move.state == "posted":
                    self.move.button_draft()
                self.move.name = False
                self.post("/my/reseller/settings", form | {"prefix": prefix})
                self.assertEqual(self.reseller_issuer.prefix, prefix)
                self.move._post(soft=False)
                self.assertTrue(self.move.name.startswith(prefix))
                response = self.get(f"/my/reseller/invoices/{self.move.id}.pdf")
                self.check_header(response)
                archive = self.post("/my/reseller/invoices/act", {"act": "zip", "move_id": str(self.move.id)})
                self.check_header(archive)
                [name] = zipfile.ZipFile(io.BytesIO(archive.content)).namelist()
                self.assertRegex(name, r"^[\w,()+ -][\w.,()+ -]*\.pdf$")
                for file in (self.move._astpp_call_file(), self.move.invoice_pdf_report_id):
                    self.assertNotRegex(file.name, r"[/\\:\"<>]|^\.")
        quoted = self.get(f"/my/reseller/settings/number?issuer_id={form['issuer_id']}&prefix={SCRIPT}")
        self.assertTrue(quoted.headers["Content-Type"].startswith("text/plain"))
        self.assertEqual(quoted.headers["X-Content-Type-Options"], "nosniff")
        for prefix in ("A\r\nX: y", "A\nB", "A\0B"):
            self.post("/my/reseller/settings", form | {"prefix": prefix})
            self.assertTrue(self.reseller_issuer.prefix.isprintable())

    def check_header(self, response):
        self.assertEqual(response.status_code, 200)
        self.assertNotIn("X-Evil", response.headers)
        header = response.headers["Content-Disposition"]
        names = re.fullmatch(
            r"attachment; filename=(\"[^\"]*\"|[^\";]+)(; filename\*=[^;\"]+)?", header
        ) or re.fullmatch(r"attachment; filename\*=[^;\"]+", header)
        self.assertTrue(names, header)
