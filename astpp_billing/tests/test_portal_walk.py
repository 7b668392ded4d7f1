import io

from odoo import http
from odoo.tests import tagged
from odoo.tools.pdf import PdfFileWriter

from .portal_walk_common import ACTORS, PortalWalkCommon

SIGNED_IN = set(ACTORS[1:])
RESELLERS = {"other", "child", "parent", "reseller"}
# For each of our routes: URL with the owner's and the reseller's ids, form, who gets something, what that is, and
# what all others get. A GET route has no form.
WALK = {
    "/my/charges": [
        ("/my/charges?period=all", None, SIGNED_IN, 200, None),
        ("/my/charges?period=all&below=1", None, SIGNED_IN, 200, None),
        ("/my/charges?period=all&account_id={account}", None, {"customer", "reseller", "parent"}, 200, 404),
        ("/my/charges?invoice_id={move}", None, {"customer", "reseller"}, 200, 404),
        ("/my/charges?period=all&below=1&invoice_id={grandchild_move}", None, {"child"}, 200, 404),
        ("/my/charges?invoice_id={entry}", None, set(), 200, 404),
    ],
    "/my/invoices/<int:invoice_id>/dispute": [
        ("/my/invoices/{move}/dispute", {"reason": "x", "usage_id": "1"}, {"customer"}, "away", 404),
    ],
    "/my/charges/page/<int:page>": [
        ("/my/charges/page/2?period=all", None, SIGNED_IN, 200, None),
        (f"/my/charges/page/{'9' * 40}", None, SIGNED_IN, 200, None),
    ],
    "/my/charges/totals": [
        ("/my/charges/totals?period=all", None, SIGNED_IN, 200, None),
        ("/my/charges/totals?period=all&below=1", None, SIGNED_IN, 200, None),
        ("/my/charges/totals?period=all&account_id={account}", None, {"customer", "reseller", "parent"}, 200, 404),
        ("/my/charges/totals?invoice_id={move}", None, {"customer", "reseller"}, 200, 404),
    ],
    "/my/charges.<string:kind>": [
        ("/my/charges.csv?period=all", None, SIGNED_IN, 200, None),
        ("/my/charges.csv?period=all&below=1", None, SIGNED_IN, 200, None),
        ("/my/charges.csv?period=all&account_id={account}", None, {"customer", "reseller", "parent"}, 200, 404),
        ("/my/charges.csv?invoice_id={move}", None, {"customer", "reseller"}, 200, 404),
        ("/my/charges.xlsx?period=all", None, SIGNED_IN, 200, None),
        ("/my/charges.pdf?period=all&account_id={account}", None, {"customer", "reseller", "parent"}, 200, 404),
        ("/my/charges.html?period=all", None, set(), 200, 404),
    ],
    "/astpp_billing/charges.<string:kind>": [
        ("/astpp_billing/charges.csv", None, set(), 200, 403),
        ("/astpp_billing/charges.csv?account_id={account}", None, set(), 200, 403),
        ("/astpp_billing/charges.csv?move_id={move}", None, set(), 200, 403),
    ],
    "/astpp_billing/usage_import/<int:import_id>": [
        ("/astpp_billing/usage_import/{usage_import}", {"x": "1"}, set(), 200, 403),
        ("/astpp_billing/usage_import/999999", {"x": "1"}, set(), 200, 403),
    ],
    "/my/invoices/<int:invoice_id>": [("/my/invoices/{move}", None, {"customer"}, 200, "away")],
    "/my/invoices/<int:invoice_id>/part": [
        ("/my/invoices/{move}/part?part=1", None, {"customer"}, "away", "away"),
        ("/my/invoices/{move}/part?part=nan", None, {"customer"}, "away", "away"),
    ],
    "/my/services": [("/my/services", None, SIGNED_IN, 200, None)],
    "/my/services/order": [
        ("/my/services/order", {"account_id": "{account}", "product_id": "{product}"}, {"customer"}, "away", 404),
    ],
    "/my/services/<int:subscription_id>/change": [
        ("/my/services/{subscription}/change", {"product_id": "{larger}"}, {"customer"}, "away", 404),
    ],
    "/my/services/<int:subscription_id>/end": [("/my/services/{subscription}/end", {}, {"customer"}, "away", 404)],
    "/my/topup": [("/my/topup", {"account_id": "{account}", "amount": "5"}, {"customer"}, "away", 404)],
    "/my/coupon": [("/my/coupon", {"account_id": "{account}", "number": "1"}, {"customer"}, "away", 404)],
    "/my/services/preferences": [
        ("/my/services/preferences", {"account_id": "{account}", "billing_day": "9"}, {"customer"}, "away", 404),
    ],
    "/my/reseller": [("/my/reseller", None, RESELLERS, 200, 404)],
    "/my/reseller/usage": [("/my/reseller/usage", None, RESELLERS, 200, 404)],
    "/my/reseller/settings/number": [
        ("/my/reseller/settings/number?issuer_id={issuer}&prefix=Y-", None, {"reseller"}, 200, 404),
        ("/my/reseller/settings/number?issuer_id={operator}&prefix=Y-", None, set(), 200, 404),
    ],
    "/my/reseller/customers": [
        ("/my/reseller/customers", None, RESELLERS, 200, 404),
        ("/my/reseller/customers?search=N&search_in=number", None, RESELLERS, 200, 404),
    ],
    "/my/reseller/customers/page/<int:page>": [("/my/reseller/customers/page/2", None, RESELLERS, 200, 404)],
    "/my/reseller/customers/<int:account_id>": [
        ("/my/reseller/customers/{account}", None, {"reseller", "parent"}, 200, 404),
        ("/my/reseller/customers/{reseller}", None, {"parent"}, 200, 404),
        ("/my/reseller/customers/{grandchild}", None, {"reseller", "parent", "child"}, 200, 404),
        ("/my/reseller/customers/999999999999999999999", None, set(), 200, 404),
    ],
    "/my/reseller/customers/<int:account_id>/save": [
        ("/my/reseller/customers/{account}/save", {"name": "Owner Inc"}, {"reseller", "parent"}, "away", 404),
        ("/my/reseller/customers/{reseller}/save", {"name": "Reseller One"}, {"parent"}, "away", 404),
    ],
    "/my/reseller/customers/new": [
        ("/my/reseller/customers/new", {"number": "NN-{actor}", "name": "New"}, RESELLERS, "away", 404),
    ],
    "/my/reseller/billing": [
        ("/my/reseller/billing", None, RESELLERS, 200, 404),
        ("/my/reseller/billing", {"act": "preview"}, RESELLERS, 200, 404),
    ],
    "/my/reseller/settings": [
        ("/my/reseller/settings", None, RESELLERS, 200, 404),
        ("/my/reseller/settings", {"issuer_id": "{issuer}", "padding": "6"}, {"reseller"}, "away", 404),
        ("/my/reseller/settings", {"issuer_id": "{operator}", "prefix": "EVIL"}, set(), "away", 404),
    ],
    "/my/reseller/invoices": [
        ("/my/reseller/invoices", None, RESELLERS, 200, 404),
        ("/my/reseller/invoices?groupby=customer", None, RESELLERS, 200, 404),
        ("/my/reseller/invoices?search=X-&search_in=name", None, RESELLERS, 200, 404),
        ("/my/reseller/invoices?search=Inc&search_in=customer", None, RESELLERS, 200, 404),
    ],
    "/my/reseller/invoices/page/<int:page>": [("/my/reseller/invoices/page/2", None, RESELLERS, 200, 404)],
    "/my/reseller/invoices/<int:move_id>.pdf": [
        ("/my/reseller/invoices/{move}.pdf", None, {"reseller"}, 200, 404),
        ("/my/reseller/invoices/{stranger_move}.pdf", None, set(), 200, 404),
    ],
    "/my/reseller/invoices/act": [
        ("/my/reseller/invoices/act", {"act": act, "move_id": "{move}"}, {"reseller"}, outcome, 404)
        for act, outcome in (
            ("confirm", "away"),
            ("discard", "away"),
            ("send", "away"),
            ("zip", 200),
            ("pdf", 200),
            ("x", 404),
        )
    ],
    "/my/reseller/invoices/<int:move_id>/pay": [
        ("/my/reseller/invoices/{move}/pay", {"amount": "1"}, {"reseller"}, "away", 404),
    ],
    "/my/reseller/invoices/<int:move_id>/credit": [
        ("/my/reseller/invoices/{move}/credit", {"reason": "x"}, {"reseller"}, "away", 404),
    ],
}
# Odoo's page of a document is for anyone with its link; all others are redirected.
LINKED = {"/my/invoices/<int:invoice_id>", "/my/invoices/<int:invoice_id>/part"}
# PayPal's route has neither session nor token; test_paypal covers who may use it.
SIGNED = {"/payment/paypal/webhook/"}


@tagged("post_install", "-at_install")
class TestPortalWalk(PortalWalkCommon):
    """Every actor tries every one of our routes, with the ids of the reseller and of the reseller's customer."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.owner.payment_mode = "prepaid"
        packages = [cls.make_product("package", name=name, astpp_can_purchase=True, astpp_can_resell=True)
                    for name in ("Small", "Large")]  # fmt: skip
        entry = cls.env["account.move"].search([("move_type", "=", "entry"), ("state", "=", "posted")], limit=1)
        # Tests render HTML, but merging several documents needs a PDF.
        writer, buffer = PdfFileWriter(), io.BytesIO()
        writer.addBlankPage(100, 100)
        writer.write(buffer)
        cls.env["ir.attachment"].create(
            {"name": "x.pdf", "res_model": "account.move", "res_id": cls.moves["customer"].id,
             "res_field": "invoice_pdf_report_file", "raw": buffer.getvalue()}
        )  # fmt: skip
        cls.names = {
            "account": cls.owner.id, "reseller": cls.reseller.id, "grandchild": cls.child_customer.id,
            "move": cls.moves["customer"].id, "grandchild_move": cls.moves["grandchild"].id,
            "stranger_move": cls.moves["stranger"].id, "entry": entry.id or 0,
            "product": packages[0].id, "larger": packages[1].id,
            "subscription": cls.subscribe(cls.owner, packages[0]).id,
            "issuer": cls.reseller_issuer.id, "operator": cls.operator.id,
            "usage_import": cls.env["astpp.usage.import"].create({"server_id": cls.server.id}).id,
        }  # fmt: skip

    def routes(self):
        """Yield (rule, options) of every route in our controllers that is meant for people."""
        for rule, endpoint in http._generate_routing_rules(sorted(self.registry._init_modules), nodb_only=False):
            if endpoint.original_endpoint.__module__.startswith("odoo.addons.astpp_billing.") and rule not in SIGNED:
                yield rule, endpoint.routing

    def ask(self, url, form):
        names = self.names | {"actor": self.actor}
        url = url.format(**names)
        if form is None:
            return self.get(url)
        return self.post(url, {name: value.format(**names) for name, value in form.items()})

    def test_table_is_complete(self):
        """A new route must be added to the table of who may use it."""
        routes = dict(self.routes())
        self.assertEqual(set(routes), set(WALK))
        for rule, routing in routes.items():
            self.assertEqual(routing["auth"], "public" if rule in LINKED else "user", rule)
            self.assertTrue(routing.get("csrf", True), rule)
            forms = any(form is not None for _url, form, *_rest in WALK[rule])
            pages = any(form is None for _url, form, *_rest in WALK[rule])
            methods = set(routing["methods"] or ("GET", "POST"))
            self.assertLessEqual({"POST"} if forms else set(), methods, rule)
            if methods != {"POST"}:
                self.assertTrue(pages, f"{rule} can be fetched: add that to the table")

    def test_who_gets_what(self):
        for actor in ACTORS:
            self.sign_in(actor)
            requests = [(rule, *request) for rule, requests in WALK.items() for request in requests]
            given = [request for request in requests if actor in request[3]]
            before = self.rows()
            self.walk([request for request in requests if request not in given])
            self.assertFalse(self.changes(before), f"what is refused to {actor} changes nothing")
            self.walk(given)

    def walk(self, requests):
        for rule, url, form, allowed, given, refused in requests:
            with self.subTest(actor=self.actor, rule=rule, url=url, form=form):
                response = self.ask(url, form)
                outside = self.actor == "nobody" and rule not in LINKED
                expected = given if self.actor in allowed else "login" if outside else refused
                self.assertEqual(self.outcome(response), expected)
                self.assertNoSecrets(response.text, url)

    def test_forms_need_their_token(self):
        """Another site's page cannot post on behalf of a logged-in user."""
        for actor in ("customer", "reseller"):
            self.sign_in(actor)
            before = self.rows()
            for requests in WALK.values():
                for url, form, allowed, _given, _refused in requests:
                    if form is None or actor not in allowed:
                        continue
                    with self.subTest(actor=actor, url=url):
                        names = self.names | {"actor": actor}
                        data = {name: value.format(**names) for name, value in form.items()}
                        for token in ({}, {"csrf_token": "x"}, {"csrf_token": "0" * 40 + "o9999999999"}):
                            response = self.post(url.format(**names), data | token, token=False)
                            self.assertEqual(response.status_code, 400)
            self.assertFalse(self.changes(before))

    def test_posting_by_get(self):
        """Routes that write cannot be called by GET, which a link or a picture could trigger."""
        self.sign_in("reseller")
        before = self.rows()
        for rule, routing in self.routes():
            if routing["methods"] == ["POST"]:
                url, form = WALK[rule][0][:2]
                names = self.names | {"actor": "x"}
                query = "&".join(f"{name}={value.format(**names)}" for name, value in form.items())
                self.assertEqual(self.get(f"{url.format(**names)}?{query}").status_code, 405, rule)
        self.get("/my/reseller/billing?act=run")
        self.get(f"/my/reseller/settings?issuer_id={self.reseller_issuer.id}&prefix=EVIL")
        self.assertFalse(self.changes(before))
