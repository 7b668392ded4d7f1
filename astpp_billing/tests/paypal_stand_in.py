"""A stand-in for PayPal on a local port: REST API, buttons, signed webhooks, and faults on demand.

It remembers orders and captures, requires tokens, approvals and idempotency keys as PayPal does, and verifies only
webhooks that it signed itself. Amounts are texts with two decimals.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
import zlib
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib import error, request
from urllib.parse import urlsplit

SDK = Path(__file__).with_name("paypal_sdk.js")


class RefusedError(Exception):
    """An answer of PayPal's that is not a success."""

    def __init__(self, status, name, issue=""):
        super().__init__(name)
        self.status = status
        self.body = {"name": name, "message": issue or name, "debug_id": "d1", "details": [{"issue": issue}]}


def now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def money(amount):
    return {"currency_code": amount["currency_code"], "value": f"{Decimal(str(amount['value'])):.2f}"}


class PaypalStandIn:
    """A merchant's account at PayPal, and the server that answers for it.

    :param client_id: the merchant's API user
    :param client_secret: its password
    """

    def __init__(self, client_id="C1", client_secret="S1"):
        self.credentials = f"{client_id}:{client_secret}"
        self.webhooks = {"W1": {"id": "W1", "url": None, "event_types": []}}
        self.tokens, self.orders, self.captures, self.refunds = set(), {}, {}, {}
        self.answers = {}  # by idempotency key
        self.calls = []  # (method, path), oldest first
        self.events = []  # created but not delivered yet
        self.faults = {}  # last part of a path: HTTP status, or delay of the answer in seconds
        self.capture_status = "COMPLETED"
        self.wrong_amount = None
        self.cookie = str  # function that returns the cookie to send with webhooks
        self._key = secrets.token_bytes(32)
        self._numbers = iter(range(1, 10**9))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="PayPal stand-in", daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def number(self, kind):
        return f"{kind}{next(self._numbers):08d}"

    # The API for merchants

    def answer(self, method, path, headers, body):
        """Return PayPal's (status, answer) to a request."""
        last = path.rsplit("/", 1)[-1]
        self.calls.append((method, path))
        fault = self.faults.get(last)
        if isinstance(fault, float):
            time.sleep(fault)
        elif fault:
            raise RefusedError(fault, "INTERNAL_SERVER_ERROR", "An internal server error has occurred.")
        if path == "/v1/oauth2/token":
            return 200, self._token(headers)
        if headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise RefusedError(401, "AUTHENTICATION_FAILURE", "Authentication failed due to invalid credentials.")
        data = json.loads(body or b"{}")
        if path == "/v1/notifications/verify-webhook-signature":
            return 200, {"verification_status": "SUCCESS" if self._vouches_for(data) else "FAILURE"}
        if path == "/v1/notifications/webhooks":
            return 201, self._add_webhook(data)
        if path.startswith("/v1/notifications/webhooks/") and method == "PATCH":
            self.webhooks[last]["event_types"] = data[0]["value"]
            return 200, self.webhooks[last]
        key = headers.get("PayPal-Request-Id")
        if key and key in self.answers:
            return 200, self.answers[key]
        if path == "/v2/checkout/orders":
            answer = self._order(data)
        elif path.startswith("/v2/checkout/orders/") and last == "capture":
            answer = self._capture(path.split("/")[-2])
        else:
            raise RefusedError(404, "RESOURCE_NOT_FOUND", path)
        if key:
            self.answers[key] = answer
        return 201, answer

    def _token(self, headers):
        given = base64.b64decode(headers.get("Authorization", "").removeprefix("Basic ") or b"").decode()
        if given != self.credentials:
            raise RefusedError(401, "invalid_client", "Client Authentication failed")
        token = secrets.token_hex()
        self.tokens.add(token)
        return {"access_token": token, "token_type": "Bearer", "expires_in": 32400}

    def _add_webhook(self, data):
        webhook = {"id": self.number("WEBHOOK"), **data}
        self.webhooks[webhook["id"]] = webhook
        return webhook

    def _order(self, data):
        [unit] = data["purchase_units"]
        value = Decimal(str(unit["amount"]["value"]))
        if data["intent"] != "CAPTURE" or value <= 0 or value != round(value, 2) or len(unit["custom_id"]) > 127:
            raise RefusedError(422, "UNPROCESSABLE_ENTITY", "DECIMAL_PRECISION")
        order = {
            "id": self.number("ORDER"), "intent": "CAPTURE", "status": "PAYER_ACTION_REQUIRED", "create_time": now(),
            "payment_source": {"paypal": {}}, "purchase_units": [{**unit, "amount": money(unit["amount"])}],
        }  # fmt: skip
        self.orders[order["id"]] = order
        return order

    def _capture(self, order_id):
        order = self.orders.get(order_id)
        if not order:
            raise RefusedError(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")
        if order["status"] != "APPROVED":
            already = order["status"] == "COMPLETED"
            issue = "ORDER_ALREADY_CAPTURED" if already else "ORDER_NOT_APPROVED"
            raise RefusedError(422, "UNPROCESSABLE_ENTITY", issue)
        [unit] = order["purchase_units"]
        number = self.number("CAPTURE")
        capture = {
            "id": number, "status": self.capture_status, "amount": self.wrong_amount or unit["amount"],
            "custom_id": unit["custom_id"], "final_capture": True, "create_time": now(),
            "supplementary_data": {"related_ids": {"order_id": order_id}},
            "links": [{"rel": "self", "href": f"{self.url}/v2/payments/captures/{number}"},
                      {"rel": "up", "href": f"{self.url}/v2/checkout/orders/{order_id}"}],
        }  # fmt: skip
        self.captures[number] = capture
        # PayPal completes the order even while its capture is still pending.
        order["status"] = "COMPLETED"
        unit["payments"] = {"captures": [capture]}
        self.happens(f"PAYMENT.CAPTURE.{capture['status']}", capture)
        return order

    # Events at PayPal

    def approve(self, order_id):
        """Let the buyer approve the order; PayPal informs the merchant at once."""
        self.orders[order_id]["status"] = "APPROVED"
        return self.deliver(self.happens("CHECKOUT.ORDER.APPROVED", self.orders[order_id], keep=False))

    def happens(self, event_type, resource, keep=True):
        """Create an event, to be delivered when the test decides, and return it."""
        event = {
            "id": self.number("WH-"), "event_type": event_type, "create_time": now(), "resource_version": "2.0",
            "resource": json.loads(json.dumps(resource)),
        }  # fmt: skip
        if keep:
            self.events.append(event)
        return event

    def settle(self, capture_id, status="COMPLETED"):
        """Complete or deny a pending capture."""
        self.captures[capture_id]["status"] = status
        name = "DENIED" if status == "DECLINED" else status
        return self.happens(f"PAYMENT.CAPTURE.{name}", self.captures[capture_id])

    def give_back(self, capture_id, value, event_type="PAYMENT.CAPTURE.REFUNDED", **values):
        """Refund or reverse part of a capture."""
        capture = self.captures[capture_id]
        number = self.number("REFUND")
        refund = {
            "id": number, "status": "COMPLETED", "create_time": now(),
            "amount": money({"value": value, "currency_code": capture["amount"]["currency_code"]}),
            "links": [{"rel": "self", "href": f"{self.url}/v2/payments/refunds/{number}"},
                      {"rel": "up", "href": f"{self.url}/v2/payments/captures/{capture_id}"}],
            **values,
        }  # fmt: skip
        self.refunds[number] = refund
        return self.happens(event_type, refund)

    # Webhooks

    def _signature(self, transmission, moment, webhook_id, event):
        # Compute the checksum of the parsed event, because Odoo sends it back parsed when it asks for verification.
        crc = zlib.crc32(json.dumps(event, sort_keys=True, separators=(",", ":")).encode())
        text = f"{transmission}|{moment}|{webhook_id}|{crc}"
        return base64.b64encode(hmac.digest(self._key, text.encode(), hashlib.sha256)).decode()

    def _vouches_for(self, asked):
        given = [asked[name] for name in ("transmission_id", "transmission_time", "webhook_id")]
        right = self._signature(*given, asked["webhook_event"])
        return given[2] in self.webhooks and hmac.compare_digest(right, asked["transmission_sig"] or "")

    def deliver(self, event, signed_as=None, webhook_id="W1"):
        """Send an event to the merchant and return the HTTP status.

        :param signed_as: the event that was signed instead, to forge a signature
        """
        transmission, moment = self.number("T"), now()
        headers = {
            "Content-Type": "application/json",
            "Cookie": self.cookie(),
            "PAYPAL-TRANSMISSION-ID": transmission,
            "PAYPAL-TRANSMISSION-TIME": moment,
            "PAYPAL-TRANSMISSION-SIG": self._signature(transmission, moment, webhook_id, signed_as or event),
            "PAYPAL-CERT-URL": f"{self.url}/v1/notifications/certs/CERT-1",
            "PAYPAL-AUTH-ALGO": "SHA256withRSA",
        }
        data = json.dumps(event).encode()
        try:
            with request.urlopen(request.Request(self.webhooks["W1"]["url"], data, headers), timeout=60) as response:
                return response.status
        except error.HTTPError as answer:
            return answer.code

    # The server

    def _handler(self):
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_OPTIONS(self):
                self._send(200, b"")

            def do_GET(self):
                script = SDK.read_text(encoding="utf-8").replace("STAND_IN_URL", stand_in.url)
                self._send(200, script.encode(), "text/javascript")

            def do_PATCH(self):
                self.do_POST()

            def do_POST(self):
                path = urlsplit(self.path).path
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    if path.startswith("/buyer/approve/"):
                        # This request is the browser's, not the merchant's.
                        status, answer = 200, {"webhook": stand_in.approve(path.rsplit("/", 1)[-1])}
                    else:
                        status, answer = stand_in.answer(self.command, path, self.headers, body)
                except RefusedError as refusal:
                    status, answer = refusal.status, refusal.body
                self._send(status, json.dumps(answer).encode())

            def _send(self, status, content, kind="application/json"):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Access-Control-Allow-Origin", "*")
                self.end_headers()
                try:
                    self.wfile.write(content)
                except (BrokenPipeError, ConnectionResetError):
                    # The client has given up waiting.
                    self.close_connection = True

            def log_message(self, *args):
                """Log nothing: the tests check ``calls`` instead."""

        return Handler
