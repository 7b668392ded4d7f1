"""Several of Odoo's processes get the same webhook from PayPal at the same time."""

import pytest

SET_UP = """
provider = env["payment.provider"].search([("code", "=", "paypal"), ("company_id", "=", env.company.id)], limit=1)
provider.write({"paypal_email_account": "a@example.com", "paypal_client_id": "C", "paypal_client_secret": "S",
                "state": "test"})
assert provider.journal_id
partner = env["res.partner"].create({"name": "Parallel"})
move = env["account.move"].create({
    "move_type": "out_invoice", "partner_id": partner.id,
    "invoice_line_ids": [(0, 0, {"name": "x", "price_unit": 100, "tax_ids": []})],
})
move.action_post()
env["payment.transaction"].create({
    "provider_id": provider.id, "payment_method_id": env.ref("payment.payment_method_paypal").id, "reference": "P1",
    "operation": "online_direct", "amount": 100, "currency_id": move.currency_id.id, "partner_id": partner.id,
    "invoice_ids": [(6, 0, move.ids)],
})
env.cr.commit()
"""
# PayPal repeats a webhook that was answered with an error.
WORKER = """
import os, time
from odoo.exceptions import ValidationError
from odoo.service.model import retrying

transaction = env["payment.transaction"].search([("reference", "=", "P1")])
amount = {{"value": {value!r}, "currency_code": transaction.currency_id.name}}

def webhook():
    {act}

def book():
    env["payment.transaction"].search([("is_post_processed", "=", False), ("state", "!=", "draft")])._post_process()

print("READY", flush=True)
while not os.path.exists({go!r}):
    time.sleep(0.001)
for step in (webhook, book):
    for attempt in range(3):
        try:
            retrying(step, env)
            break
        except ValidationError:
            env.cr.rollback()
"""
CAPTURE = 'transaction._process("paypal", {"id": "C1", "txn_type": "CAPTURE", "status": "COMPLETED", "amount": amount})'
REFUND = 'transaction._paypal_refunded({"id": "R1", "amount": amount}, "PAYMENT.CAPTURE.REFUNDED")'
PAYMENTS = "SELECT payment_type, amount FROM account_payment ORDER BY id"
RESIDUAL = "SELECT amount_residual, payment_state FROM account_move WHERE move_type = 'out_invoice'"


@pytest.fixture
def at_once(database, tmp_path):
    """Return a function that lets three processes do the same thing at the same time."""

    def run(act, value):
        go = tmp_path / "go"
        go.unlink(missing_ok=True)
        workers = [database.start_ready(WORKER.format(act=act, value=value, go=str(go))) for _number in range(3)]
        go.touch()
        for worker in workers:
            _out, err = worker.communicate(timeout=120)
            assert "Traceback" not in err, err

    return run


def test_payment_and_refund_are_booked_once(database, at_once):
    database.shell(SET_UP)
    at_once(CAPTURE, "100.00")
    assert database.query(PAYMENTS) == [("inbound", 100)]
    assert database.query(RESIDUAL)[0][0] == 0
    at_once(REFUND, "30.00")
    assert database.query(PAYMENTS) == [("inbound", 100), ("outbound", 30)]
    assert database.query(RESIDUAL) == [(30, "partial")]
