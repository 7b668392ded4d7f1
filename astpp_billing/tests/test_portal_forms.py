import base64
import io
import re
from datetime import timedelta

from PIL import Image

from odoo.tests import tagged

from .portal_walk_common import PortalWalkCommon

EVIL = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>"


@tagged("post_install", "-at_install")
class TestPortalForms(PortalWalkCommon):
    """Forms write only their own fields; what is typed into them is text wherever it is shown."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.owner.payment_mode = "prepaid"
        cls.products = cls.make_product("package", name="Small", astpp_can_purchase=True, astpp_can_resell=True)
        cls.products |= cls.make_product("package", name="Large", astpp_can_purchase=True, astpp_can_resell=True)
        cls.subscription = cls.subscribe(cls.owner, cls.products[0])
        # Every field of all our models, with values that would do damage.
        names = {name for model in cls.env.values() if model._name.startswith("astpp.") for name in model._fields}
        names |= {"vat", "parent_id", "user_ids", "login", "property_payment_term_id", "company_type", "category_id"}
        cls.extra = dict.fromkeys(names, "1") | {
            "account_type": "reseller", "payment_mode": "postpaid", "status": "closed", "tz": "Asia/Tokyo",
            "cycle_unit": "day", "partner_id": str(cls.stranger.partner_id.id), "number": "STOLEN", "amount": "1",
            "parent_id": str(cls.other.id), "issuer_id": str(cls.other_issuer.id), "prefix": "OX-", "price": "0",
        }  # fmt: skip

    def save(self, url, named, tables, actor):
        """Post a form with all other fields added to its own; only these tables' columns may change."""
        self.sign_in(actor)
        before = self.rows()
        response = self.post(url, self.extra | named)
        self.assertEqual(self.outcome(response), "away", url)
        changes = self.changes(before)
        # Chatter, mails, jobs and consequences of an invoice are not written by the form.
        for table, columns in changes.items():
            with self.subTest(url=url, table=table):
                self.assertLessEqual(columns, tables.get(table, set()))
        return changes

    def test_preferences(self):
        named = {"account_id": str(self.owner.id), "billing_day": "9", "call_list": "file"}
        changes = self.save(
            "/my/services/preferences", named,
            {"astpp_account": {"billing_day", "call_list", "next_invoice_date", "next_invoice_at"},
             "res_partner": {"astpp_mail_invoices", "astpp_mail_reminders", "astpp_mail_services"}},
            "customer",
        )  # fmt: skip
        self.assertIn("call_list", changes["astpp_account"])

    def test_customer(self):
        named = {"name": "New Name", "email": "new@example.com", "phone": "1", "street": "S", "zip": "1", "city": "C",
                 "billing_day": "11", "invoice_mode": "draft"}  # fmt: skip
        partner = {
            *(
                "name",
                "email",
                "phone",
                "street",
                "zip",
                "city",
                "email_normalized",
                "complete_name",
                "commercial_partner_id",
            ),
            *(
                "astpp_mail_invoices",
                "astpp_mail_reminders",
                "astpp_mail_services",
                "phone_sanitized",
                "commercial_company_name",
            ),
        }
        account = {"billing_day", "invoice_mode", "invoice_enabled", "next_invoice_date", "next_invoice_at"}
        self.save(
            f"/my/reseller/customers/{self.owner.id}/save", named, {"astpp_account": account, "res_partner": partner, "account_move": {"invoice_partner_display_name"}},
            "reseller",
        )  # fmt: skip
        self.assertEqual(self.owner.partner_id.name, "New Name")

    def test_new_customer(self):
        changes = self.save(
            "/my/reseller/customers/new", {"number": "N-1", "name": "New", "email": "n@example.com"},
            {name: {"+"} for name in ("astpp_account", "astpp_account_term", "res_partner", "astpp_portal_act")}, "reseller",
        )  # fmt: skip
        self.assertEqual(set(changes), {"astpp_account", "astpp_account_term", "res_partner", "astpp_portal_act"})
        made = self.env["astpp.account"].search([("number", "=", "N-1")])
        self.assertEqual((made.parent_id, made.account_type, made.status), (self.reseller, "customer", "active"))
        self.assertEqual((made.issuer_id, made.partner_id.name, made.tz), (self.reseller_issuer, "New", "UTC"))
        self.assertFalse(made.astpp_id or made.partner_id.parent_id)

    def test_settings(self):
        named = {"issuer_id": str(self.reseller_issuer.id), "name": "Brand", "prefix": "Z-", "first_number": "7",
                 "padding": "6", "notice_days": "4", "due_days": "5", "overdue_days": "6", "invoice_mode": "draft",
                 "invoice_note": "Note", "brand_color": "#112233", "sender_name": "S", "reply_to": "r@example.com"}  # fmt: skip
        switches = ("reminder", "renewed", "ended", "invoice", "payment", "due")
        columns = {*named, *(f"notify_{name}" for name in switches)} - {"issuer_id"}
        changes = self.save("/my/reseller/settings", named, {"astpp_issuer": columns}, "reseller")
        self.assertEqual(changes["astpp_issuer"] & set(named), set(named) - {"issuer_id"})
        self.assertEqual(self.other_issuer.prefix, "OX-")

    def test_order(self):
        named = {"account_id": str(self.owner.id), "product_id": str(self.products[0].id), "quantity": "2"}
        self.sign_in("customer")
        self.owner._astpp_own().available_funds = 100
        self.post("/my/services/order", self.extra | named)
        order = self.env["sale.order"].sudo().search([], order="id desc", limit=1)
        self.assertEqual((order.partner_id, order.astpp_account_id), (self.owner.partner_id, self.owner))
        self.assertEqual((order.order_line.product_uom_qty, order.order_line.price_unit), (2, 10))

    def test_order_end_change(self):
        terms = {"astpp_subscription_line": {"+"}, "astpp_subscription": {"message_main_attachment_id"}}
        url = f"/my/services/{self.subscription.id}"
        self.save(f"{url}/change", {"product_id": str(self.products[1].id)}, terms, "customer")
        # What was planned for the renewal is replaced by the end.
        ended = {"astpp_subscription_line": {"status", "known_date", "restarts", "applied", "note"}}
        ended["astpp_subscription"] = {"end_date", "close_reason_id", "message_main_attachment_id"}
        self.save(f"{url}/end", {}, ended, "customer")
        self.assertEqual(self.subscription.account_id, self.owner)

    def test_a_reseller_cannot_end_what_he_pays_for_his_customer(self):
        self.owner.payment_mode = "postpaid"
        order = self.env["sale.order"].sudo().create(
            {
                "partner_id": self.owner.partner_id.id,
                "astpp_account_id": self.owner.id,
                "order_line": [(0, 0, {"product_id": self.products[0].id})],
            }
        )  # fmt: skip
        order.action_confirm()
        level = self.env["astpp.subscription"].search(
            [("sale_order_id", "=", order.id), ("account_id", "=", self.reseller.id)]
        )
        self.sign_in("reseller")
        self.assertNotIn(f"/my/services/{level.id}/end", self.url_open("/my/services").text)
        for act in ("end", "change"):
            response = self.post(f"/my/services/{level.id}/{act}", {"product_id": str(self.products[1].id)})
            self.assertEqual(response.status_code, 404)
        self.assertEqual((level.state, level.end_date), ("active", False))

    def test_top_up(self):
        self.sign_in("customer")
        self.post("/my/topup", self.extra | {"account_id": str(self.owner.id), "amount": "5"})
        topup = self.env["astpp.topup"].search([], limit=1)
        self.assertEqual((topup.account_id, topup.amount, topup.state), (self.owner, 5, "invoiced"))
        self.assertEqual((topup.move_id.partner_id, topup.issuer_id), (self.owner.partner_id, self.reseller_issuer))
        for _time in range(6):
            self.post("/my/topup", {"account_id": str(self.owner.id), "amount": "5"})
        self.assertEqual(self.env["astpp.topup"].search_count([]), 5, "nobody fills a series with what he never pays")

    def test_documents(self):
        move = self.moves["customer"]
        self.reseller_issuer.payment_journal_id = self.company_data["default_journal_cash"]
        self.sign_in("reseller")
        before = move.amount_total
        self.post(f"/my/reseller/invoices/{move.id}/pay", self.extra | {"amount": "1"})
        self.assertEqual((move.amount_total, move.amount_residual), (before, before - 1))
        payment = move._get_reconciled_payments()
        self.assertEqual(
            (payment.journal_id, payment.partner_id), (self.reseller_issuer.payment_journal_id, move.partner_id)
        )
        foreign = self.moves["stranger"]
        data = {"act": "discard", "move_id": [str(move.id), str(foreign.id)]}
        self.assertEqual(self.post("/my/reseller/invoices/act", data).status_code, 404)
        reason = f"{EVIL} <a href='https://evil.example'>look</a>"
        self.post(f"/my/reseller/invoices/{move.id}/credit", self.extra | {"reason": reason})
        self.assertNotIn("<a", move.activity_ids.note, "text, not links and pictures")
        self.assertNotIn("<img", move.activity_ids.note)

    def test_reseller_cannot_change_a_users_email(self):
        """A reseller who could change a user's e-mail address could reset the password and log in as that customer."""
        user = self.env["res.users"].search([("login", "=", "walk.customer")])
        self.owner.partner_id = user.partner_id
        url = f"/my/reseller/customers/{self.owner.id}"
        self.sign_in("reseller")
        self.post(f"{url}/save", {"name": user.name, "email": "thief@example.com"})
        self.assertNotEqual(user.email, "thief@example.com")
        self.assertIn("changes the e-mail address himself", self.get(url).text)

    def test_reseller_cannot_rename_a_customer_of_others(self):
        """Nor may the contacts of a company that has accounts elsewhere."""
        person = self.env["res.partner"].create({"name": "Person", "parent_id": self.stranger.partner_id.id})
        self.owner.partner_id = person
        self.sign_in("reseller")
        self.post(f"/my/reseller/customers/{self.owner.id}/save", {"name": "Stolen", "street": "Stolen"})
        self.assertEqual((person.name, self.stranger.partner_id.street), ("Person", False))
        self.assertTrue(person.astpp_mail_reminders, "his mails are of other issuers too")

    def test_adding_a_number_does_not_take_its_waiting_calls(self):
        """A reseller who adds a number first does not get the calls that wait for it."""
        self.load(self.row(None, accountid="", account_number="UNKNOWN1", debit="9"))
        self.assertEqual(self.env["astpp.usage"].search_count([("account_ref", "=", "UNKNOWN1")]), 1)
        self.sign_in("reseller")
        self.post("/my/reseller/customers/new", {"number": "UNKNOWN1", "name": "Mine"})
        self.assertFalse(self.env["astpp.account"].search([("number", "=", "UNKNOWN1")]))

    def test_adding_a_number_reveals_nothing_of_others(self):
        """A free number, one in use and one that calls wait for get the same response and the same record."""
        self.load(self.row(None, accountid="", account_number="UNKNOWN1", debit="9"))
        self.sign_in("reseller")
        pages = []
        for number in ("FREE1", self.stranger.number, "UNKNOWN1"):
            self.post("/my/reseller/customers/new", {"number": number, "name": "Same"})
            page = self.get("/my/reseller/customers").text
            self.assertIn(f">{number}</a>", page)
            self.assertIn("The customer was added.", page)
            made = self.env["astpp.account"].search([("portal_number", "=", number)])
            detail = self.get(f"/my/reseller/customers/{made.id}").text.partition("<main>")[2]
            detail = re.sub(r'name="(csrf_token|once)" value="[^"]*"', "", detail).replace(number, "N")
            pages.append(re.sub(rf"\b{made.id}\b", "ID", detail))
            self.assertEqual(made.number == number, number == "FREE1")
        self.assertEqual(pages[0], pages[1])
        self.assertEqual(pages[0], pages[2])

    def test_guessing_coupons(self):
        """After ten wrong numbers in a day, even the right one is refused."""
        coupon = self.env["astpp.coupon"]._generate(
            1, 12, {"server_id": self.server.id, "amount": 5, "currency_id": self.server.currency_id.id, "batch": "B"}
        )
        self.sign_in("customer")
        form = {"account_id": str(self.owner.id)}
        for number in range(12):
            self.post("/my/coupon", form | {"number": str(number)})
        self.assertEqual(self.owner.coupon_guesses, 10)
        self.post("/my/coupon", form | {"number": coupon.number})
        self.assertEqual(coupon.state, "unused")
        self.assertIn("Too many wrong numbers", self.get("/my/services").text)
        self.owner.coupon_guess_date -= timedelta(days=1)
        self.post("/my/coupon", form | {"number": "1"})
        self.assertEqual(self.owner.coupon_guesses, 1)
        self.post("/my/coupon", form | {"number": coupon.number})
        self.assertEqual((coupon.state, coupon.account_id), ("used", self.owner))

    def test_customers_cannot_add_calls(self):
        usage_import = self.env["astpp.usage.import"].create({"server_id": self.server.id})
        for actor in ("customer", "reseller"):
            self.sign_in(actor)
            file = ("calls.csv", self.csv_file(self.row(self.owner)).getvalue(), "text/csv")
            response = self.post(f"/astpp_billing/usage_import/{usage_import.id}", {"x": "1"}, {"ufile": file})
            self.assertEqual(response.status_code, 403)
        self.assertEqual((usage_import.state, usage_import.line_count), ("new", 0))

    def test_values_out_of_range(self):
        """Such values neither stop scheduled actions nor end in an error page."""
        issuer = self.reseller_issuer
        self.sign_in("reseller")
        values = {"first_number": ("0", "9999999999"), "padding": ("0", "99"), "notice_days": ("366", "999999999"),
                  "due_days": ("366", "9" * 30), "overdue_days": ("x", "0", "1;2"), "prefix": ("OX-", "O"),
                  "brand_color": ("red;}", "#12", "\"><script>"), "reply_to": ("x", "<b>")}  # fmt: skip
        for name, wrong in values.items():
            for value in wrong:
                with self.subTest(name=name, value=value):
                    before = issuer[name]
                    self.post("/my/reseller/settings", {"issuer_id": str(issuer.id), name: value})
                    page = self.get("/my/reseller/settings").text
                    if (name, value) != ("prefix", "O"):
                        self.assertIn('role="alert"', page)
                        self.assertEqual(issuer[name], before)
        self.env["astpp.notice"]._note_due()
        self.env["astpp.notice"]._due_reminders()

    def test_odd_requests(self):
        """Missing, repeated and absurd values are refused without a server error."""
        self.sign_in("reseller")
        urls = ("/my/services/order", "/my/topup", "/my/coupon", "/my/services/preferences", "/my/reseller/customers/new",
                "/my/reseller/invoices/act", f"/my/services/{self.subscription.id}/change",
                f"/my/reseller/invoices/{self.moves['customer'].id}/pay", "/my/reseller/settings")  # fmt: skip
        for url in urls:
            for data in ({}, dict.fromkeys(("account_id", "move_id", "issuer_id", "product_id", "amount"), "9" * 40)):
                with self.subTest(url=url, data=data):
                    self.assertLess(self.post(url, data).status_code, 500)
        for url in ("/my/charges?account_id={0}", "/my/charges?invoice_id={0}", "/my/reseller/customers/{0}",
                    "/my/reseller/invoices/{0}.pdf", "/my/charges?search=%00", "/my/charges.csv?search=%00&period=all"):  # fmt: skip
            for value in ("9" * 12, "9" * 40):
                with self.subTest(url=url, value=value):
                    self.assertLess(self.get(url.format(value)).status_code, 500)

    def test_logo(self):
        def picture(kind, size=(20, 20)):
            buffer = io.BytesIO()
            Image.new("RGB", size).save(buffer, kind)
            return buffer.getvalue()

        def upload(content, name="logo.png", mimetype="image/png"):
            self.post(
                "/my/reseller/settings",
                {"issuer_id": str(self.reseller_issuer.id)},
                {"logo": (name, content, mimetype)},
            )
            return self.get("/my/reseller/settings").text

        self.sign_in("reseller")
        partner = self.reseller_issuer.partner_id
        svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
        bomb = picture("PNG", (8000, 8000))
        self.assertLess(len(bomb), 1 << 20)
        for content in (svg, b"<html><script>alert(1)</script></html>", picture("GIF"), picture("BMP"), b"%PDF-1.4",
                        b"\x89PNG\r\n\x1a\n<script>alert(1)</script>", picture("PNG") + b"x" * (1 << 20), bomb, b""):  # fmt: skip
            with self.subTest(content=content[:20]):
                page = upload(content)
                self.assertFalse(partner.image_1920)
                self.assertIn('role="alert"', page)
        upload(picture("JPEG"), "../../../etc/x.png\r\nX: y")
        self.assertTrue(base64.b64decode(partner.image_1920).startswith(b"\xff\xd8"))
        stored = self.env["ir.attachment"].search([("res_model", "=", "res.partner"), ("res_id", "=", partner.id),
                                                   ("res_field", "=", "image_1920")])  # fmt: skip
        self.assertEqual(stored.mimetype, "image/jpeg")
