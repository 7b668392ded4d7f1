import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from odoo.modules.migration import load_script
from odoo.tests import HttpCase, TransactionCase, tagged
from odoo.tools import SQL, file_path

from ..connector.records import Issuer
from ..document_sources import is_own_source, loads_from_elsewhere, own_sources_only
from ..left_out import LeftOut
from .common import AstppCommon

OWN = ("/web/image/5", "/web/image/res.partner/3/image_128?unique=1", "/web/content/7-abc/x.png", "/logo.png",
       "/web/assets/1/a/web.report_assets_common.min.css", "/report/barcode/QR/x", "/base/static/img/bg.jpg", "#part", "",
       "data:image/png;base64,AAAA", "https://ours.example/web/image/5",
       "data:image/svg+xml;base64," + base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'><g/></svg>").decode())  # fmt: skip
FOREIGN = ("http://10.0.0.1/x", "//10.0.0.1/x", "/\t/10.0.0.1/x", "ht\ntp://10.0.0.1", "file:///etc/passwd", "/\\10.0.0.1",
           "x.png", "/web/session/logout", "/my/services", "/web/image/../session/logout", "/web/image/%2e%2e/x",
           "https://ours.example.evil/web/image/5", "https://ours.example@evil/web/image/5", "ftp://x", "http://[::1",
           "https://ours.example/web/session/logout", "data:text/html,<img src=http://x>", "data:image/svg+xml,<svg",
           "data:image/svg+xml;base64," + base64.b64encode(
               b"<svg xmlns='http://www.w3.org/2000/svg' xmlns:x='http://www.w3.org/1999/xlink'>"
               b"<image x:href='http://10.0.0.1/'/></svg>").decode())  # fmt: skip


def hostile(url):
    """Return HTML with everything that a browser engine may fetch when it renders a page."""
    return f"""
        <p>before <img src="{url}/img"/><img srcset="{url}/srcset 2x"/><img src="{url[5:]}/slashes"/></p>
        <link rel="stylesheet" href="{url}/link"/><style>@import "{url}/import"; p {{ background: url({url}/css) }}</style>
        <style>@import url('{url}/import2'); .x:before {{ content: u\\72l({url}/escaped) }}</style>
        <p style="background: url('{url}/style')">styled</p><p style="background: u\\72l({url}/style2); color: red">x</p>
        <p style="list-style: ur/**/l({url}/c)">c</p>
        <iframe src="{url}/iframe"></iframe><iframe srcdoc="&lt;img src='{url}/srcdoc'&gt;"></iframe>
        <object data="{url}/object"></object><embed src="{url}/embed"/><video poster="{url}/poster" src="{url}/video"></video>
        <audio src="{url}/audio"></audio><table background="{url}/background"><tr><td background="{url}/td">t</td></tr></table>
        <svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="{url}/svg"
            width="9" height="9"/><use href="{url}/use#x"/><rect fill="url({url}/fill#x)" width="9" height="9"/></svg>
        <script>new Image().src = "{url}/script"</script><img src="x" onerror="this.src='{url}/onerror'"/>
        <input type="image" src="{url}/input"/><meta http-equiv="refresh" content="0;url={url}/meta"/><base href="{url}/"/>
        <img src="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' xmlns:x='http://www.w3.org/1999/xlink'%3E%3Cimage
            x:href='{url}/data' width='9' height='9'/%3E%3C/svg%3E"/><body background="{url}/body"></body>
        <a href="{url}/link">a link</a> after"""


class Listener:
    """A local web server that records what is requested."""

    def __init__(self):
        self.asked = asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@tagged("post_install", "-at_install")
class TestDocumentSources(TransactionCase):
    def test_own_sources_are_kept(self):
        for url in OWN:
            self.assertTrue(is_own_source(url, ("https://ours.example",)), url)
        for url in FOREIGN:
            self.assertFalse(is_own_source(url, ("https://ours.example",)), url)

    def test_foreign_sources_are_removed(self):
        left = own_sources_only(f"<div><main>{hostile('http://10.0.0.1')}</main></div>")
        self.assertEqual(left.count("10.0.0.1"), 1, left)
        for text in ("before", "styled", "a link", "after", '<a href="http://10.0.0.1/link">'):
            self.assertIn(text, left)

    def test_harmless_content_is_kept(self):
        html = (
            '<div class="article" style="background-image: url(/base/static/img/bg.jpg); color: red">'
            '<style>.x { color: #0B7A75 !important; }</style><img src="data:image/png;base64,AA==" style="width: 9px">'
            '<svg width="9"><rect fill="url(#g)"></rect></svg><a href="https://example.com/?a=1&amp;b=2">x</a></div>'
        )
        self.assertEqual(own_sources_only(html), html)
        self.assertFalse(loads_from_elsewhere(html))
        self.assertTrue(loads_from_elsewhere('<p><img src="http://x/"></p>'))
        self.assertFalse(loads_from_elsewhere("") or loads_from_elsewhere("A & B"))


@tagged("post_install", "-at_install")
class TestDocumentsFetchNothing(AstppCommon, HttpCase):
    """Render real PDFs with hostile texts wherever others may write."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.listener = Listener()
        cls.addClassCleanup(cls.listener.close)
        cls.bad = hostile(cls.listener.url)
        cls.img = f"<img src='{cls.listener.url}/text'>"

    def make_hostile(self, account, issuer):
        note = SQL("jsonb_build_object('en_US', %s::text)", self.bad)
        self.env.flush_all()
        # As it was stored before texts from ASTPP were escaped.
        self.env.cr.execute(SQL("UPDATE astpp_issuer SET invoice_note = %s WHERE id = %s", note, issuer.id))
        self.env.invalidate_all()
        issuer.write({"name": f"Issuer {self.img}", "call_list": "annex"})
        (account | issuer.account_id).partner_id.write(
            {"name": self.img, "street": self.img, "city": self.img, "vat": False, "comment": self.bad, "ref": self.img}
        )
        account.number = self.img
        product = self.make_product(name=self.img, description_sale=self.img)
        self.subscribe(account, product, start_date="2024-01-05 00:00:00")
        self.load(self.row(account, notes=self.img, callerid=self.img, debit="3"))

    def test_invoice(self):
        self.make_hostile(self.reseller_customer, self.reseller_issuer)
        move = self.bill(self.reseller_customer).move_ids
        move.narration = self.bad
        reports = self.env["ir.actions.report"].with_context(force_report_rendering=True)
        content, kind = reports._render_qweb_pdf("account.account_invoices", move.ids)
        self.assertEqual((kind, content[:5]), ("pdf", b"%PDF-"))
        charges = self.env["astpp.usage"].search([("account_id", "=", self.reseller_customer.id)])
        content, kind = reports._render_qweb_pdf("astpp_billing.action_report_charges", charges.ids)
        self.assertEqual((kind, content[:5]), ("pdf", b"%PDF-"))
        self.assertEqual(self.listener.asked, [])

    def test_order(self):
        order = (
            self.env["sale.order"]
            .sudo()
            .create(
                {
                    "partner_id": self.customer.partner_id.id,
                    "astpp_account_id": self.customer.id,
                    "note": self.bad,
                    "order_line": [(0, 0, {"product_id": self.make_product(name=self.img).id, "name": self.img})],
                }
            )
        )
        self.env.flush_all()
        self.env.cr.execute(SQL("UPDATE sale_order SET note = %s WHERE id = %s", self.bad, order.id))
        self.env.invalidate_all()
        reports = self.env["ir.actions.report"].with_context(force_report_rendering=True)
        content, _kind = reports._render_qweb_pdf("sale.action_report_saleorder", order.ids)
        self.assertEqual(content[:5], b"%PDF-")
        self.assertEqual(self.listener.asked, [])

    def test_notes_from_astpp_are_escaped(self):
        """Notes from ASTPP are plain text: their tags are not interpreted."""
        fields = dict.fromkeys(Issuer._fields) | {"account_id": self.reseller.astpp_id, "first_number": 1}
        fields |= {
            "prefix": "N-",
            "note": "Line <b>one</b>\n<img src='http://10.0.0.1/'>",
            "due_days": 7,
            "notify_days": 1,
        }
        self.reseller_issuer.unlink()
        issuer = self.env["astpp.issuer"]._mirror(self.server, [Issuer(**fields)], True, LeftOut())
        self.assertNotIn("<img", issuer.invoice_note)
        self.assertIn("&lt;img src=", issuer.invoice_note)
        self.assertIn("<br", issuer.invoice_note)

    def test_old_notes_are_cleaned_on_upgrade(self):
        """The migration removes what fetches anything from notes that once came from ASTPP."""
        harmless = '<p>Thank you, <a href="https://reseller.example">us</a></p>'
        for issuer, note in ((self.reseller_issuer, self.bad), (self.operator, harmless)):
            value = SQL("jsonb_build_object('en_US', %s::text)", note)
            self.env.flush_all()
            self.env.cr.execute(SQL("UPDATE astpp_issuer SET invoice_note = %s WHERE id = %s", value, issuer.id))
        script = load_script(
            file_path("astpp_billing/migrations/19.0.1.4.0/post-notes-of-issuers.py"), "notes_of_issuers"
        )
        script.migrate(self.env.cr, "19.0.1.3.0")
        self.env.invalidate_all()
        self.assertFalse(loads_from_elsewhere(self.reseller_issuer.invoice_note))
        self.assertIn("a link", self.reseller_issuer.invoice_note)
        self.assertEqual(self.operator.invoice_note, harmless)
