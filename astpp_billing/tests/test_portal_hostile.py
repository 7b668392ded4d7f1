import inspect
import re
import socket
from urllib.parse import quote, urlencode, urlsplit

from odoo import http
from odoo.tests import tagged
from odoo.tools import mute_logger

from . import test_portal_walk
from .test_portal_walk import LINKED, SIGNED, WALK

VALUES = ("9" * 5000, "-" + "9" * 5000, "0", "-1", "٣", "²", "1e300", "nan", "1\x00", "\x00", "\ud7ff\U0010ffff", "' OR 1=1 --",
          "../../etc/passwd", "%s%n", "{0}", "9" * 19, "2147483648")  # fmt: skip
# Fields that our pages read from forms without declaring them as parameters.
FORM_FIELDS = ("name", "email", "phone", "street", "city", "zip", "prefix", "first_number", "padding", "notice_days",
               "due_days", "overdue_days", "sender_name", "reply_to", "brand_color", "invoice_note", "invoice_mode",
               "issuer_id", "astpp_mail_invoices")  # fmt: skip
MANY_FIELDS = ("/my/reseller/settings", "/my/reseller/customers/<int:account_id>/save")
READ_FROM_REST = {
    **dict.fromkeys(
        ("/my/charges", "/my/charges/totals", "/my/charges.<string:kind>"), ("account_id", "invoice_id", "below")
    ),
    "/my/reseller/invoices/act": ("move_id",),
    "/my/invoices/<int:invoice_id>/dispute": ("usage_id",),
    "/my/services/preferences": ("astpp_mail_invoices",),
    "/my/invoices/<int:invoice_id>": ("report_type", "download", "amount", "payment_token"),
}


@tagged("post_install", "-at_install")
class TestPortalHostile(test_portal_walk.TestPortalWalk):
    """Every parameter of every one of our routes gets malicious values."""

    # The tests of the parent class are not repeated here.
    test_table_is_complete = test_who_gets_what = test_forms_need_their_token = test_posting_by_get = None

    def endpoints(self):
        for rule, endpoint in http._generate_routing_rules(sorted(self.registry._init_modules), nodb_only=False):
            if endpoint.original_endpoint.__module__.startswith("odoo.addons.astpp_billing.") and rule not in SIGNED:
                yield rule, endpoint

    @mute_logger("odoo.http", "odoo.addons.base.models.ir_http")
    def test_every_parameter_of_every_route(self):
        """No value causes a server error: the response is a page, *not found* or a refusal."""
        for kind in ("pdf", "export", "send", "customer", "credit_request", "dispute"):
            self.env["ir.config_parameter"].set_param(f"astpp_billing.limit_{kind}", "100000")
        tried, faults = 0, []
        for actor in ("customer", "reseller"):
            self.sign_in(actor)
            for rule, endpoint in self.endpoints():
                # Use an actor who gets furthest, with access to the record.
                allowed = {"customer", "reseller"} & set().union(*(each[2] for each in WALK[rule]))
                if actor != min(allowed or {"reseller"}):
                    continue
                for url, form, values in self.requests(rule, endpoint):
                    response = self.get(url) if form is None else self.post(url, form)
                    tried += 1
                    if response.status_code >= 500:
                        faults.append((actor, rule, values[0], values[1][:20], response.status_code))
        self.assertFalse(faults, len(faults))
        self.assertGreater(tried, 800)

    def requests(self, rule, endpoint):
        """Yield (url, form or None, (parameter, value)) of a route."""
        names = self.names | {"actor": "x"}
        url, form = WALK[rule][0][:2]
        url = url.format(**names).partition("?")[0]
        form = form and {name: value.format(**names) for name, value in form.items()}
        in_path = re.findall(r"<(?:\w+:)?(\w+)>", rule)
        for name in in_path:
            pattern = re.sub(r"<(?:\w+:)?(\w+)>", lambda match, name=name: "@" if match[1] == name else "1", rule)
            for value in VALUES:
                yield pattern.replace("@", quote(value, safe="")), form, (name, value)
        parameters = inspect.signature(endpoint.original_endpoint).parameters.values()
        known = {each.name for each in parameters if each.kind == each.POSITIONAL_OR_KEYWORD} - {"self", *in_path}
        apart = sorted(known | set(FORM_FIELDS if rule in MANY_FIELDS else READ_FROM_REST.get(rule, ())))
        for value in VALUES:
            for fields in ((name,) for name in apart):
                values = dict.fromkeys(fields, value)
                if form is None:
                    yield f"{url}?{urlencode(values)}", None, (fields, value)
                else:
                    yield url, form | values, (fields, value)

    def test_long_ids_are_not_found(self):
        self.sign_in("reseller")
        for url in ("/my/reseller/customers/{}", "/my/reseller/invoices/{}.pdf", "/my/charges?account_id={}",
                    "/my/charges?invoice_id={}", "/my/charges.csv?account_id={}"):  # fmt: skip
            for digits in (30, 4301, 5000):
                self.assertEqual(self.get(url.format("9" * digits)).status_code, 404, (url, digits))
        for url in (
            "/my/charges?search=%00",
            "/my/reseller/customers?search=a%00b",
            "/my/reseller/invoices?search=%00",
        ):
            self.assertEqual(self.get(url).status_code, 400, url)

    def test_no_frames_and_no_caching(self):
        """Every page of ours forbids framing by other sites and any caching."""
        checked = set()
        for actor in ("customer", "reseller"):
            self.sign_in(actor)
            for rule, requests in WALK.items():
                for url, form, allowed, given, _refused in requests:
                    if actor not in allowed or given != 200 or form is not None:
                        continue
                    response = self.get(url.format(**self.names, actor=actor))
                    self.assertEqual(response.headers.get("X-Frame-Options"), "SAMEORIGIN", url)
                    self.assertEqual(response.headers.get("Cache-Control"), "no-store", url)
                    checked.add(rule)
        pages = {
            rule
            for rule, requests in WALK.items()
            for each in requests
            if each[1] is None and each[2] and each[3] == 200
        }
        self.assertEqual(checked, pages)
        self.assertTrue(LINKED & checked)

    def test_rights_and_size_before_the_body(self):
        """A request that announces 300 MB and sends none of them is answered at once."""
        for actor in ("customer", "reseller"):
            self.sign_in(actor)
            self.assertEqual(self.announce(f"/astpp_billing/usage_import/{self.names['usage_import']}"), 403)
            for url in ("/my/reseller/settings", "/my/services/preferences", "/my/coupon"):
                self.assertEqual(self.announce(url), 413, url)

    def announce(self, url, size=300 << 20):
        """Send the head of a form with a file, without the body; return the response's status."""
        address = urlsplit(self.base_url())
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.opener.cookies)
        head = [
            f"POST {url} HTTP/1.1", f"Host: {address.netloc}", f"Cookie: {cookies}", f"Content-Length: {size}",
            "Content-Type: multipart/form-data; boundary=x", "Connection: close", "", "",
        ]  # fmt: skip
        with (
            self.allow_requests(all_requests=True),
            socket.create_connection((address.hostname, address.port), timeout=30) as connection,
        ):
            connection.sendall("\r\n".join(head).encode())
            answer = connection.recv(1000).decode(errors="replace")
        return int(answer.split()[1])
