"""Invoices reach a real mail server once each, in the issuer's name, and a bad address does not affect others."""

import email
import email.policy
import socket

import pytest
from aiosmtpd.controller import Controller

from conftest import Database

SET_UP = """
server = env.ref("astpp_billing.astpp_server_main")
env.company.write({{"name": "Secret Operator", "email": "secret@operator.example"}})
env["ir.mail_server"].create({{"name": "Test", "smtp_host": "127.0.0.1", "smtp_port": {port}}})
env["ir.config_parameter"].set_param("mail.default.from", "notifications")
def account(number, mail, **values):
    partner = env["res.partner"].create({{"name": f"Customer {{number}}", "email": mail}})
    return env["astpp.account"].create(
        {{"server_id": server.id, "number": number, "partner_id": partner.id, "tz": "UTC",
          "billed_until": "2024-01-01 00:00:00", "cycle_interval": 100, **values}}
    )
reseller = account("R", "billing@reseller.example", account_type="reseller")
env["astpp.issuer"].create({{"name": "Reseller", "account_id": reseller.id, "prefix": "R-"}})
for number, mail in (("A1", "one@example.com"), ("A2", "refused@example.com"), ("A3", "three@example.com")):
    customer = account(number, mail, parent_id=reseller.id)
    env["astpp.usage"].create({{"account_id": customer.id, "amount": 10, "date": "2024-01-15 00:00:00",
                                "description": "Installation"}})
env.cr.execute("UPDATE astpp_account SET next_period_end = '2024-02-01', next_invoice_date = '2024-02-01'")
env.cr.commit()
"""
RUN = """
import logging
# The refused address is logged as an error, which the test expects.
logging.getLogger("odoo.addons.mail.models.mail_mail").setLevel(logging.CRITICAL)
env["astpp.billing.run"]._cron_bill()
env.cr.commit()
env["astpp.notice"]._cron_send()
env.cr.commit()
env["mail.mail"].process_email_queue()
env.cr.commit()
env["astpp.notice"]._cron_send()
env.cr.commit()
print("STATES", sorted((n.partner_id.email, n.state) for n in env["astpp.notice"].search([("kind", "=", "invoice")])))
"""


class Mailbox:
    """A mail server that accepts all recipients except refused@example.com."""

    def __init__(self):
        self.messages = []

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # pylint: disable=invalid-name
        if address.startswith("refused"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):  # pylint: disable=invalid-name
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.messages.append((envelope.mail_from, envelope.rcpt_tos, message, envelope.content))
        return "250 OK"


@pytest.fixture
def mailbox():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    box.port = port
    yield box
    controller.stop()


@pytest.fixture
def database():
    database = Database("astpp_mail_delivery", "astpp_addon")
    yield database
    database.drop()


def test_invoices_arrive_once_in_the_issuers_name(mailbox, database):
    database.shell(SET_UP.format(port=mailbox.port))
    output = database.shell(RUN)
    assert "('one@example.com', 'sent')" in output
    assert "('three@example.com', 'sent')" in output
    assert "('refused@example.com', 'queued')" in output, "it will be tried again"
    assert sorted(to for _sender, recipients, *_rest in mailbox.messages for to in recipients) == [
        "one@example.com",
        "three@example.com",
    ]
    for _sender, _recipients, message, content in mailbox.messages:
        assert (
            message["From"] == '"Reseller" <billing@reseller.example>' or "billing@reseller.example" in message["From"]
        )
        assert "R-0000" in message["Subject"]
        [document] = [part for part in message.walk() if part.get_content_type() == "application/pdf"]
        assert document.get_payload(decode=True).startswith(b"%PDF")
        for secret in (b"Secret Operator", b"secret@operator.example"):
            assert secret not in content, "headers and body know no operator"
    database.shell(RUN)
    assert len(mailbox.messages) == 2, "nobody gets it twice"
    refused = database.query("SELECT state, attempts FROM astpp_notice WHERE state = 'queued'")
    assert refused == [("queued", 2)]
