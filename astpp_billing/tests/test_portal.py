import csv
import io
import zipfile
from secrets import token_hex
from unittest.mock import patch

from lxml import html

from odoo.tests import HttpCase, new_test_user, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestPortal(AstppCommon, HttpCase):
    """What customers and resellers see of the ledger and do with their services."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {}
        for name, account in (("customer", cls.customer), ("reseller", cls.reseller), ("below", cls.reseller_customer)):
            user = new_test_user(cls.env, login=f"portal.{name}", password=f"portal.{name}", groups="base.group_portal")
            user.partner_id.parent_id = account.partner_id
            cls.users[name] = user
        cls.load(
            cls.row(cls.customer, callednum="4411111", debit="1.5", notes="=HYPERLINK(1)"),
            cls.row(cls.customer, callednum="4422222", debit="0.5", call_direction="inbound"),
            cls.row(cls.reseller_customer, callednum="4433333", debit="2"),
            cls.row(cls.reseller, callednum="4444444", debit="1"),
        )
        cls.load(*[cls.row(cls.customer, callednum="4455555", debit="9", billseconds=0)])

    def get(self, url, user="customer"):
        self.authenticate(f"portal.{user}", f"portal.{user}")
        return self.url_open(url)

    def post(self, url, user="customer", **data):
        self.authenticate(f"portal.{user}", f"portal.{user}")
        return self.url_open(url, data={"csrf_token": self.csrf_token(), "once": token_hex(16), **data})

    def csrf_token(self):
        from odoo import http  # noqa: PLC0415

        return http.Request.csrf_token(self)

    def test_own_charges(self):
        page = self.get("/my/charges?period=all").text
        for expected in ("4411111", "4422222", "astpp_totals"):
            self.assertIn(expected, page)
        for hidden in ("4433333", "4444444", "4455555"):
            self.assertNotIn(hidden, page, "others' charges, and what is held")
        self.assertNotIn("4411111", self.get("/my/charges").text, "this month by default")

    def test_empty_cells_keep_the_columns(self):
        """A fee has neither number nor destination, but its amounts are in their columns all the same."""
        self.subscribe(self.customer, self.make_product(price=7))
        rows = html.fromstring(self.get("/my/charges").text).xpath("//table//tr")
        self.assertEqual({len(row.xpath("./td|./th")) for row in rows}, {9})

    def test_filters(self):
        cases = {
            "filterby=inbound": ("4422222", "4411111"),
            "search_in=number&search=1111": ("4411111", "4422222"),
            "search_in=text&search=HYPER": ("4411111", "4422222"),
            "search_in=amount&search=1.2": ("4411111", "4422222"),
            "search_in=amount&search=0.1&filterby=inbound": ("4422222", "4411111"),
        }
        for query, (shown, hidden) in cases.items():
            page = self.get(f"/my/charges?period=all&{query}").text
            self.assertIn(shown, page)
            self.assertNotIn(hidden, page)
        for query in ("sortby=x", "filterby=x", "period=x", "search_in=x&search=y", "page=x", "account_id=x"):
            self.assertEqual(self.get(f"/my/charges?{query}").status_code, 200, query)

    def test_groups(self):
        move = self.bill(self.customer).move_ids
        for groupby, title in (("account", self.customer.number), ("invoice", move.name), ("service", "Call")):
            page = html.fromstring(self.get(f"/my/charges?period=all&groupby={groupby}").text)
            titles = [head.text_content() for head in page.xpath("//th[@scope='rowgroup']")]
            self.assertTrue(any(title in each for each in titles), (groupby, titles))
        self.assertNotIn("rowgroup", self.get("/my/charges?period=all&groupby=x").text)

    def test_of_an_invoice(self):
        move = self.bill(self.customer).move_ids
        page = self.get(f"/my/charges?invoice_id={move.id}").text
        self.assertIn("4411111", page)
        self.assertIn('name="astpp_debit">2.0000', page)
        self.assertEqual(move.amount_untaxed, 2)
        self.assertNotIn("4411111", self.get("/my/charges?period=all&filterby=unbilled").text)
        self.assertIn("Every charge on this invoice", self.get(move.get_portal_url()).text)
        self.assertNotIn("4411111", self.get(f"/my/charges?invoice_id={move.id}", "below").text)

    def test_resellers(self):
        below = self.get("/my/charges?period=all&below=1", "reseller").text
        self.assertIn("4433333", below)
        self.assertNotIn("4411111", below)
        own = self.get("/my/charges?period=all", "reseller").text
        self.assertIn("4444444", own)
        self.assertNotIn("4433333", own)
        one = f"/my/charges?period=all&account_id={self.reseller_customer.id}"
        self.assertIn("4433333", self.get(one, "reseller").text)
        self.assertEqual(self.get(one, "customer").status_code, 404)
        self.assertNotIn("4433333", self.get("/my/charges?period=all&below=1", "customer").text)

    def test_files(self):
        text = self.get("/my/charges.csv?period=all").content.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text)))
        self.assertEqual([row["Number Called"] for row in rows], ["4411111", "4422222"])
        self.assertEqual((rows[0]["Destination"], rows[0]["Debit"]), ("'=HYPERLINK(1)", "1.5"))
        book = zipfile.ZipFile(io.BytesIO(self.get("/my/charges.xlsx?period=all").content))
        sheet = (
            book.read("xl/worksheets/sheet1.xml") + book.read("xl/sharedStrings.xml")
            if "xl/sharedStrings.xml" in book.namelist()
            else book.read("xl/worksheets/sheet1.xml")
        )
        self.assertIn(b"4422222", sheet)
        self.assertNotIn(b"<f>", sheet)
        self.assertEqual(self.get("/my/charges.exe").status_code, 404)
        self.assertEqual(self.get("/astpp_billing/charges.csv").status_code, 403, "the accountants' way")
        self.assertNotIn("4411111", self.get("/my/charges.csv?period=all", "below").text)

    def test_accountants_file(self):
        user = new_test_user(
            self.env, login="books", password="books-books", groups="account.group_account_readonly",
            company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip
        self.assertTrue(user)
        self.authenticate("books", "books-books")
        text = self.url_open(f"/astpp_billing/charges.csv?account_id={self.customer.id}").text
        self.assertIn("4411111", text)
        self.assertNotIn("4433333", text)

    def test_as_a_document(self):
        """The document, rendered as HTML in tests, has the same lines and sums as the page."""
        page = self.get("/my/charges.pdf?period=all").text
        for expected in ("4411111", "4422222", "2.0000", self.customer.number):
            self.assertIn(expected, page)
        for hidden in ("4433333", "4444444"):
            self.assertNotIn(hidden, page)
        self.assertNotIn("more lines than", page)
        with patch("odoo.addons.astpp_billing.controllers.charge_export.MOST_LINES", 1):
            self.assertIn("more lines than", self.get("/my/charges.pdf?period=all").text)
        self.assertEqual(self.get("/my/charges.pdf?period=all&search=none").status_code, 404)
        usage = self.env["astpp.usage"].search([("account_id", "=", self.customer.id)])
        with self.allow_pdf_render():
            report = self.env["ir.actions.report"].with_context(force_report_rendering=True)
            content, kind = report._render_qweb_pdf("astpp_billing.action_report_charges", usage.ids)
        self.assertEqual((kind, content[:4]), ("pdf", b"%PDF"))

    def test_balance(self):
        usage = self.env["astpp.usage"].search([("account_id", "=", self.customer.id), ("exception", "=", False)])
        self.assertEqual(usage.sorted("id").mapped("balance"), [1.5, 2.0])
        self.assertEqual(usage.sorted("id")[1].balance, 2.0)
        groups = self.env["astpp.usage"].formatted_read_group(
            [("account_id", "=", self.customer.id)], ["account_id"], ["debit:sum", "credit:sum"]
        )
        self.assertEqual((groups[0]["debit:sum"], groups[0]["credit:sum"]), (11.0, 0.0))

    def test_services(self):
        package = self.make_product(
            "package", name="Talk 500", price=20, astpp_free_minutes=500, astpp_can_purchase=True
        )
        hidden = self.make_product("package", name="Internal", price=1)
        larger = self.make_product(
            "package", name="Talk 900", price=30, astpp_free_minutes=900, astpp_can_purchase=True
        )
        page = self.get("/my/services").text
        self.assertIn(self.customer.number, page)
        self.assertIn("Talk 500", page)
        self.assertNotIn("Internal", page)
        self.assertNotIn("Talk 500", self.get("/my/services", "below").text, "nothing that his reseller may not sell")
        ordered = {"account_id": self.customer.id, "quantity": "1"}
        self.customer.credit_limit = 100
        self.post("/my/services/order", product_id=package.id, **ordered)
        subscription = self.env["astpp.subscription"].search([("account_id", "=", self.customer.id)])
        self.assertEqual((subscription.product_id, subscription.state, subscription.price), (package, "active", 20))
        self.assertIn("of 500 minutes used", self.get("/my/services").text)
        self.assertEqual(self.post("/my/services/order", product_id=hidden.id, **ordered).status_code, 404)
        self.assertEqual(self.post("/my/services/order", "below", product_id=package.id, **ordered).status_code, 404)
        self.assertEqual(self.post(f"/my/services/{subscription.id}/end", "below").status_code, 404)
        self.assertEqual(self.post(f"/my/services/{subscription.id}/end", "reseller").status_code, 404)
        self.post(f"/my/services/{subscription.id}/change", product_id=larger.id)
        self.assertEqual(subscription.line_ids.filtered(lambda line: not line.applied).product_id, larger)
        self.post(f"/my/services/{subscription.id}/end")
        self.assertEqual(subscription.end_date, subscription.next_date)

    def test_order_without_a_quantity_is_refused_with_a_message(self):
        package = self.make_product("package", name="Talk 500", astpp_can_purchase=True)
        for quantity in ("", "0", "x", "1000"):
            page = self.post(
                "/my/services/order", account_id=self.customer.id, product_id=package.id, quantity=quantity
            )
            self.assertEqual(page.status_code, 200, quantity)
            self.assertIn("Order 1 to 999 of it.", page.text)
        self.assertFalse(self.customer.subscription_ids)

    def test_top_up_and_coupon(self):
        account = self.make_account(payment_mode="prepaid", partner_id=self.customer.partner_id.id)
        page = self.post("/my/topup", account_id=account.id, amount="25.50")
        topup = self.env["astpp.topup"].search([("account_id", "=", account.id)])
        self.assertEqual((topup.amount, topup.state), (25.5, "invoiced"))
        self.assertIn(topup.move_id.name, page.text)
        for amount in ("-5", "nan", "x", "1e9"):
            self.post("/my/topup", account_id=account.id, amount=amount)
        self.assertEqual(self.post("/my/topup", "below", account_id=account.id, amount="5").status_code, 404)
        self.assertEqual(self.env["astpp.topup"].search_count([("account_id", "=", account.id)]), 1)
        coupon = self.env["astpp.coupon"]._generate(
            1, 12, {"server_id": self.server.id, "amount": 5, "currency_id": self.server.currency_id.id, "batch": "B"}
        )
        self.assertIn("There is no coupon", self.post("/my/coupon", account_id=account.id, number="1").text)
        self.assertIn("was credited", self.post("/my/coupon", account_id=account.id, number=coupon.number).text)
        self.assertIn("cannot be redeemed", self.post("/my/coupon", account_id=account.id, number=coupon.number).text)

    def test_preferences(self):
        fields = {"billing_day": "15", "call_list": "file", "astpp_mail_invoices": "on"}
        self.post(
            "/my/services/preferences", account_id=self.customer.id, payment_mode="prepaid", status="closed", **fields
        )
        self.assertEqual((self.customer.billing_day, self.customer.call_list), (15, "file"))
        self.assertEqual((self.customer.payment_mode, self.customer.status), ("postpaid", "active"))
        partner = self.customer.partner_id
        self.assertEqual((partner.astpp_mail_invoices, partner.astpp_mail_reminders), (True, False))
        self.post("/my/services/preferences", account_id=self.customer.id, billing_day="99", call_list="x")
        self.assertEqual((self.customer.billing_day, self.customer.call_list), (15, "file"))
        self.assertEqual(self.post("/my/services/preferences", "below", account_id=self.customer.id).status_code, 404)
