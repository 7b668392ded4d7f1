from odoo.tests import tagged

from .portal_walk_common import ACTORS, PortalWalkCommon

# Refusals: not found, no access, a page to log in, or the list of one's own documents.
REFUSED = ("login", "away", 400, 403, 404, 422)


@tagged("post_install", "-at_install")
class TestPortalWalkWays(PortalWalkCommon):
    """Odoo's own routes to our documents, reports, files and images: only for owners, or with the access token."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for move in cls.moves.values():
            move._astpp_store_pdf()
            move._astpp_call_file()
        cls.order = cls.env["sale.order"].sudo().create(
            {"partner_id": cls.owner.partner_id.id, "astpp_account_id": cls.owner.id,
             "order_line": [(0, 0, {"product_id": cls.make_product(price=987.65).id})]}
        )  # fmt: skip
        cls.order.action_confirm()
        cls.secrets += [
            (cls.order.name, {"customer"}),
            ("987.65", {"customer"}),
            (cls.order._portal_ensure_token(), {"customer"}),
        ]
        cls.coupon = cls.env["astpp.coupon"]._generate(
            1, 12, {"server_id": cls.server.id, "amount": 5, "currency_id": cls.server.currency_id.id, "batch": "B"}
        )
        cls.secrets += [(cls.coupon.number, set()), ("secret-of-the-file", set())]
        cls.usage_import = cls.env["astpp.usage.import"].create({"server_id": cls.server.id})
        cls.usage_import._import_stream(cls.csv_file(cls, "secret-of-the-file"), "calls.csv")

    def expect(self, url, allowed, given=200):
        """Request a URL as every actor: those allowed get it, the others nothing of it."""
        response = self.get(url)
        with self.subTest(actor=self.actor, url=url):
            outcome = self.outcome(response)
            if self.actor in allowed:
                self.assertEqual(outcome, given)
            else:
                self.assertIn(outcome, REFUSED)
                self.assertLess(len(response.content), 20_000)
            self.assertNoSecrets(response.text, url)

    def test_documents_on_the_portal(self):
        """Odoo's pages of invoices and orders list what the user's own contact receives, not what a reseller issues."""
        for actor in ACTORS:
            self.sign_in(actor)
            for url in ("/my/invoices", "/my/orders", "/my/quotes", "/my/home", "/my/account"):
                self.expect(url, set(ACTORS[1:]))
            for owner, move in self.moves.items():
                token = move._portal_ensure_token()
                wrong = ("?access_token=", "?access_token=x", f"?access_token={token[:-1]}")
                for query in ("", *(wrong if owner == "customer" else wrong[2:])):
                    self.expect(f"/my/invoices/{move.id}{query}", {owner})
                if owner not in (actor, "stranger"):
                    self.expect(f"/my/invoices/{move.id}?access_token={self.moves['stranger'].access_token}", set())
                if owner in ("customer", "grandchild"):
                    self.expect(f"/my/invoices/{move.id}?report_type=pdf&download=true", {owner})
            self.expect(f"/my/orders/{self.order.id}", {"customer"})
            self.expect(f"/my/orders/{self.order.id}?access_token=x", {"customer"})
            self.expect(f"/my/orders/{self.order.id}?report_type=html", {"customer"})

    def test_token(self):
        """Anyone with a document's access token sees this document and no other."""
        move = self.moves["customer"]
        self.sign_in("nobody")
        page = self.get(f"/my/invoices/{move.id}?access_token={move._portal_ensure_token()}")
        self.assertEqual(page.status_code, 200)
        self.assertIn(move.name, page.text)
        self.actor = "customer"
        self.assertNoSecrets(page.text)
        self.assertNotIn("/my/charges", page.text)
        report = self.get(f"/my/invoices/{move.id}?access_token={move.access_token}&report_type=html")
        self.assertNoSecrets(report.text)

    def test_reports(self):
        """Odoo's report URLs are for internal users; portal users get reports on the portal's pages."""
        moves = {owner: move.id for owner, move in self.moves.items()}
        reports = [report for report in self.env["ir.actions.report"].search([]) if report.model.startswith("astpp.")]
        self.assertTrue(reports)
        for actor in ACTORS:
            self.sign_in(actor)
            for kind in ("html", "pdf"):
                for name in ("account.report_invoice", "account.report_invoice_with_payments"):
                    for owner, key in moves.items():
                        if owner in ("customer", "stranger", "grandchild"):
                            self.expect(f"/report/{kind}/{name}/{key}", set())
                    self.expect(f"/report/{kind}/{name}/{moves['stranger']},{moves['customer']}", set())
                for report in reports:
                    record = self.env[report.model].search([], limit=1).id or 1
                    self.expect(f"/report/{kind}/{report.report_name}/{record}", set())

    def test_files(self):
        """This covers stored documents, lists of calls, rejected lines and images."""
        moves = [self.moves[name].id for name in ("customer", "stranger", "grandchild")]
        files = self.env["ir.attachment"].search(
            [
                ("res_model", "=", "account.move"),
                ("res_id", "in", moves),
                ("res_field", "in", (False, "invoice_pdf_report_file")),
                # Odoo puts it into the PDF; only while tests run it is beside it.
                ("name", "!=", "factur-x.xml"),
            ]
        )
        files |= self.env["ir.attachment"].search(
            [("res_model", "=", "astpp.usage.import"), ("res_field", "!=", False)]
        )
        self.assertEqual(len(files), 2 * len(moves) + 1)
        for actor in ACTORS:
            self.sign_in(actor)
            for file in files:
                for way in ("content", "image"):
                    response = self.get(f"/web/{way}/{file.id}")
                    self.check_file(response, file, way)
                response = self.get(f"/web/content/{file.id}?access_token=x&download=true")
                self.check_file(response, file, "token")

    def check_file(self, response, file, way):
        with self.subTest(actor=self.actor, file=file.name, way=way):
            owner = next((owner for owner, move in self.moves.items() if move.id == file.res_id), None)
            own = file.res_model == "account.move" and owner == self.actor
            if not own and way == "image" and response.status_code == 200:
                self.assertNotEqual(response.content, file.raw, "a placeholder")
            elif not own:
                self.assertIn(self.outcome(response), REFUSED)
            self.assertNoSecrets(response.text)

    def test_fields_of_our_models(self):
        """/web/content serves no binary field of our models, and no other field either."""
        self.owner.partner_id.image_1920 = self.company_data["company"].logo
        targets = [
            (model._name, model.search([], limit=1).id or 1, name)
            for model in self.env.values()
            if model._name.startswith("astpp.") and not model._abstract
            for name in ("display_name", *(n for n, field in model._fields.items() if field.type == "binary"))
        ]
        targets.append(("account.move", self.moves["elsewhere"].id, "invoice_pdf_report_file"))
        for actor in ACTORS:
            self.sign_in(actor)
            for model, key, name in targets:
                self.expect(f"/web/content/{model}/{key}/{name}", set())
            self.expect(f"/web/content?model=astpp.usage.import&id={self.usage_import.id}&field=rejects_file", set())

    def test_other_ways(self):
        """This covers Odoo's downloads of documents, links in mails, chatter and exports."""
        issued, own = self.moves["elsewhere"], self.moves["customer"]
        for actor in ACTORS:
            self.sign_in(actor)
            for owner, move in (("elsewhere", issued), ("customer", own)):
                for url in (
                    f"/account/download_invoice_documents/{move.id}/pdf",
                    f"/account/download_invoice_attachments/{move.invoice_pdf_report_id.id}",
                    f"/account/download_move_attachments/{move.id}",
                ):
                    response = self.get(url)
                    with self.subTest(actor=actor, url=url):
                        self.assertIn(self.outcome(response), (*REFUSED, *([200] if actor == owner else [])))
                        self.assertNoSecrets(response.text)
            for model in ("astpp.account", "astpp.issuer", "account.move"):
                record = (
                    self.other if model == "astpp.account" else self.other_issuer if model == "astpp.issuer" else issued
                )
                response = self.url_open(f"/mail/view?model={model}&res_id={record.id}")
                self.assertNoSecrets(response.text)
                params = {"thread_model": model, "thread_id": record.id}
                for url, extra in (
                    ("/mail/thread/messages", {}),
                    ("/mail/thread/data", {"request_list": ["followers", "attachments", "activities"]}),
                    ("/mail/message/post", {"post_data": {"body": "x"}}),
                ):
                    with self.subTest(actor=actor, url=url, model=model):
                        answer = self.opener.post(f"{self.base_url()}{url}", json={"params": params | extra})
                        self.assertNoSecrets(answer.text)
                        if url == "/mail/message/post":
                            self.assertIn("error", answer.json())
            data = '{"model": "astpp.usage", "fields": [{"name": "callee", "label": "x"}], "ids": false, "domain": [], "import_compat": false}'
            for kind in ("csv", "xlsx"):
                response = self.post(f"/web/export/{kind}", {"data": data})
                self.assertNotEqual(response.status_code, 200)
                self.assertNoSecrets(response.text)
