import io
import zipfile
from secrets import token_hex

from PIL import Image

from odoo import http
from odoo.tests import HttpCase, new_test_user, tagged

from .common import AstppCommon

PAGES = (
    "/my/reseller",
    "/my/reseller/customers",
    "/my/reseller/customers/{account}",
    "/my/reseller/invoices",
    "/my/reseller/invoices/{move}.pdf",
    "/my/reseller/billing",
    "/my/reseller/settings",
)
POSTS = (
    ("/my/reseller/customers/{account}/save", {"name": "Stolen"}),
    ("/my/reseller/invoices/act", {"act": "confirm", "move_id": "{draft}"}),
    ("/my/reseller/invoices/act", {"act": "discard", "move_id": "{draft}"}),
    ("/my/reseller/invoices/act", {"act": "zip", "move_id": "{move}"}),
    ("/my/reseller/invoices/{move}/pay", {"amount": "1"}),
    ("/my/reseller/invoices/{move}/credit", {"reason": "x"}),
    ("/my/reseller/settings", {"issuer_id": "{issuer}", "prefix": "EVIL-"}),
)


@tagged("post_install", "-at_install")
class TestPortalReseller(AstppCommon, HttpCase):
    """Resellers' pages show their own subtree and documents, and nothing else."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.child = cls.make_account("Child Reseller", account_type="reseller", parent_id=cls.reseller.id)
        cls.child_issuer = cls.make_issuer(cls.child, prefix="C-")
        cls.child_customer = cls.make_account("Customer of Child", parent_id=cls.child.id)
        cls.other = cls.make_account("Other Reseller", account_type="reseller")
        cls.make_issuer(cls.other, prefix="O-")
        owners = {"owner": cls.reseller, "child": cls.child, "other": cls.other, "customer": cls.customer,
                  "below": cls.reseller_customer}  # fmt: skip
        for name, account in owners.items():
            user = new_test_user(cls.env, login=f"p.{name}", password=f"p.{name}xxxx", groups="base.group_portal")
            user.partner_id.parent_id = account.partner_id
        cls.load_calls(cls.reseller_customer, "10")
        cls.load_calls(cls.child_customer, "20")
        cls.move = cls.bill(cls, cls.reseller_customer).move_ids
        cls.load_calls(cls.reseller_customer, "7", callstart="2024-02-10 10:00:00")
        cls.reseller_issuer.invoice_mode = "draft"
        cls.draft = cls.bill(cls, cls.reseller_customer, date="2024-03-01", invoice_date="2024-03-01").move_ids

    def login(self, name):
        self.authenticate(f"p.{name}", f"p.{name}xxxx")

    def post(self, url, data, **files):
        data = {key: value.format(**self.names) if isinstance(value, str) else value for key, value in data.items()}
        return self.url_open(
            url.format(**self.names),
            data={"csrf_token": http.Request.csrf_token(self), "once": token_hex(16), **data},
            files=files or None,
        )

    @property
    def names(self):
        return {"account": self.reseller_customer.id, "move": self.move.id, "draft": self.draft.id,
                "issuer": self.reseller_issuer.id}  # fmt: skip

    def test_who_gets_what(self):
        """Try every page and action with other people's ids."""
        for name in ("customer", "below", "other", "child"):
            self.login(name)
            for page in PAGES:
                response = self.url_open(page.format(**self.names))
                reseller = name in ("other", "child") and "{" not in page
                self.assertEqual(response.status_code, 200 if reseller else 404, (name, page))
                for secret in (self.move.name, self.reseller_customer.number, "R1-"):
                    self.assertNotIn(secret, response.text, (name, page))
            for url, data in POSTS:
                self.assertEqual(self.post(url, data).status_code, 404, (name, url, data))
        self.authenticate(None, None)
        for page in PAGES:
            self.assertIn("/web/login", self.url_open(page.format(**self.names)).url)
        self.assertEqual((self.draft.state, self.reseller_issuer.prefix), ("draft", "R1-"))
        self.assertEqual(self.reseller_customer.partner_id.name, "Customer of Reseller")

    def test_owner(self):
        self.login("owner")
        for page in PAGES:
            self.assertEqual(self.url_open(page.format(**self.names)).status_code, 200, page)
        customers = self.url_open("/my/reseller/customers").text
        self.assertIn(self.reseller_customer.number, customers)
        self.assertIn(self.child_customer.number, customers, "the whole subtree")
        self.assertNotIn(self.customer.number, customers)
        invoices = self.url_open("/my/reseller/invoices").text
        self.assertIn(self.move.name, invoices)
        self.assertNotIn("C-0", invoices, "what the child issues is the child's")
        self.assertIn(self.move.name, self.url_open(f"/my/reseller/invoices?search={self.move.name}").text)
        self.assertNotIn(self.move.name, self.url_open("/my/reseller/invoices?filterby=draft").text)
        for query in ("sortby=x", "filterby=x", "search_in=x&search=y"):
            self.assertEqual(self.url_open(f"/my/reseller/invoices?{query}").status_code, 200)

    def test_documents(self):
        self.login("owner")
        self.post("/my/reseller/invoices/act", {"act": "confirm", "move_id": "{draft}"})
        self.assertEqual((self.draft.state, self.draft.name), ("posted", "R1-00002"))
        response = self.post("/my/reseller/invoices/act", {"act": "zip", "move_id": [self.move.id, self.draft.id]})
        names = zipfile.ZipFile(io.BytesIO(response.content)).namelist()
        self.assertEqual(sorted(names), ["R1-00001.pdf", "R1-00002.pdf"])
        self.post("/my/reseller/invoices/act", {"act": "send", "move_id": "{move}"})
        notices = self.env["astpp.notice"].search([("move_id", "=", self.move.id), ("kind", "=", "invoice")])
        self.assertEqual(len(notices), 2, "sent again because he asked")
        self.reseller_issuer.payment_journal_id = self.company_data["default_journal_cash"]
        self.post("/my/reseller/invoices/{move}/pay", {"amount": "1e9"})
        self.post("/my/reseller/invoices/{move}/pay", {"amount": "4"})
        self.assertAlmostEqual(self.move.amount_residual, self.move.amount_total - 4)
        self.post("/my/reseller/invoices/{move}/credit", {"reason": "<script>wrong</script>"})
        self.assertNotIn("<script>", self.move.activity_ids.note)

    def test_nothing_selected_is_reported(self):
        self.login("owner")
        for act in ("confirm", "discard", "send", "zip", "pdf"):
            response = self.post("/my/reseller/invoices/act", {"act": act})
            self.assertEqual(response.status_code, 200, act)
            self.assertIn("Tick the invoices first.", response.text)
        self.assertEqual(self.draft.state, "draft")
        self.login("customer")
        self.assertEqual(self.post("/my/reseller/invoices/act", {"act": "zip"}).status_code, 404)

    def test_discarding_a_draft_releases_its_usage(self):
        self.login("owner")
        self.post("/my/reseller/invoices/act", {"act": "discard", "move_id": "{draft}"})
        self.assertFalse(self.draft.exists())
        usage = self.env["astpp.usage"].search(
            [("account_id", "=", self.reseller_customer.id), ("move_id", "=", False)]
        )
        self.assertEqual(usage.mapped("amount"), [7])

    def test_billing(self):
        self.load_calls(self.reseller_customer, "3", callstart="2024-03-05 10:00:00")
        self.load_calls(self.customer, "99", callstart="2024-03-05 10:00:00")
        self.login("owner")
        page = self.url_open("/my/reseller/billing").text
        self.assertIn(self.reseller_customer.number, page)
        self.assertNotIn(self.customer.number, page)
        self.post("/my/reseller/billing", {"act": "run"})
        self.assertFalse(self.customer.move_ids)
        self.assertGreater(len(self.reseller_customer.move_ids), 2)

    def test_customers(self):
        self.login("owner")
        self.post(
            "/my/reseller/customers/{account}/save",
            {"name": "New <b>Name</b>", "email": "n@example.com", "billing_day": "15", "invoice_mode": "confirm",
             "payment_mode": "prepaid", "parent_id": "", "vat": "X", "astpp_mail_invoices": "on"},
        )  # fmt: skip
        account = self.reseller_customer
        self.assertEqual((account.partner_id.name, account.billing_day), ("New <b>Name</b>", 15))
        self.assertEqual((account.invoice_enabled, account.invoice_mode), (False, "confirm"))
        self.assertEqual(
            (account.payment_mode, account.parent_id, account.partner_id.vat), ("postpaid", self.reseller, False)
        )
        self.assertNotIn("<b>Name</b>", self.url_open("/my/reseller/customers").text)
        self.post("/my/reseller/customers/new", {"number": "N1", "name": "Fresh"})
        fresh = self.env["astpp.account"].search([("number", "=", "N1")])
        self.assertEqual((fresh.parent_id, fresh.issuer_id), (self.reseller, self.reseller_issuer))
        again = self.post("/my/reseller/customers/new", {"number": "N1", "name": "Again"})
        self.assertIn("have a customer with this number", again.text)
        (fresh | self.customer).status = "closed"
        self.post("/my/reseller/customers/new", {"number": "N1", "name": "Next"})
        again = self.env["astpp.account"].search([("number", "=", "N1"), ("status", "=", "active")])
        self.assertEqual(again.partner_id.name, "Next", "the number of a closed account of his own")
        number = self.customer.number
        self.post("/my/reseller/customers/new", {"number": number, "name": "X"})
        claim = self.env["astpp.account"].search([("portal_number", "=", number)])
        self.assertNotEqual(claim.number, number, "somebody else's, closed or not")

    def test_shared_contact_is_not_renamed(self):
        """A reseller cannot rename a customer who also has an account elsewhere."""
        self.customer.partner_id = self.reseller_customer.partner_id
        self.login("owner")
        self.post("/my/reseller/customers/{account}/save", {"name": "Stolen"})
        self.assertEqual(self.reseller_customer.partner_id.name, "Customer of Reseller")

    def test_settings(self):
        self.login("owner")
        image = io.BytesIO()
        Image.new("RGB", (10, 10)).save(image, "PNG")
        self.post(
            "/my/reseller/settings",
            {"issuer_id": "{issuer}", "prefix": "NEW-", "first_number": "500", "padding": "6", "invoice_mode": "confirm",
             "clearing_account_id": "1", "company_id": "99", "invoice_note": "<script>x</script>"},
            logo=("../../x.png", image.getvalue(), "image/png"),
        )  # fmt: skip
        issuer = self.reseller_issuer
        self.assertEqual((issuer.next_number, issuer.clearing_account_id), ("NEW-000500", self.clearing_account))
        self.assertNotIn("<script>", str(issuer.invoice_note))
        self.assertTrue(issuer.partner_id.image_1920)
        page = self.post("/my/reseller/settings", {"issuer_id": "{issuer}", "prefix": "C-"}).text
        self.assertIn("Choose another prefix", page)
        page = self.post(
            "/my/reseller/settings", {"issuer_id": "{issuer}"}, logo=("x.svg", b"<svg onload='x'/>", "image/png")
        ).text
        self.assertIn("PNG or JPEG", page)
        page = self.post("/my/reseller/settings", {"issuer_id": "{issuer}", "prefix": "A\r\nB"}).text
        self.assertNotIn("A\r\nB", issuer.prefix)
