"""Two accountants credit the same invoice, or the same call, at the same time."""

SET_UP = """
server = env["astpp.server"].search([], limit=1) or env["astpp.server"].create({"name": "P"})
server.charge_product_id.taxes_id = False
partner = env["res.partner"].create({"name": "Parallel"})
account = env["astpp.account"].create({
    "server_id": server.id, "number": "P1", "partner_id": partner.id, "tz": "UTC", "billed_until": "2024-01-01 00:00:00",
})
env["astpp.usage"].create({"account_id": account.id, "amount": 100, "date": "2024-01-10 10:00:00"})
run = env["astpp.billing.run"].create(
    {"date": "2024-02-01", "invoice_date": "2024-02-01", "account_ids": [(6, 0, account.ids)]})
run.action_run()
move = run.move_ids
# Pay the invoice, so that Odoo itself has no reason to update its row when it is credited.
env["account.payment.register"].with_context(active_model="account.move", active_ids=move.ids).create(
    {})._create_payments()

def credit(amount, usage):
    wizard = env["account.move.reversal"].with_context(active_model="account.move", active_ids=move.ids).create(
        {"journal_id": move.journal_id.id, "date": "2024-02-02", "astpp_usage": usage})
    note = env["account.move"].browse(wizard.refund_moves()["res_id"])
    note.invoice_line_ids.price_unit = amount
    note.ref = usage

credit(30, "keep")
credit(100, "release")
env.cr.commit()
"""
WORKER = """
import os, time
from odoo.exceptions import UserError
from odoo.service.model import retrying

def post():
    env["account.move"].search([("ref", "=", {usage!r})]).action_post()

print("READY", flush=True)
while not os.path.exists({go!r}):
    time.sleep(0.001)
try:
    retrying(post, env)
    env.cr.commit()
except UserError:
    env.cr.rollback()
"""


def test_one_of_two_credit_notes_sees_the_other(database, tmp_path):
    database.shell(SET_UP)
    go = tmp_path / "go"
    workers = [database.start_ready(WORKER.format(usage=usage, go=str(go))) for usage in ("keep", "release")]
    go.touch()
    for worker in workers:
        _out, err = worker.communicate(timeout=120)
        assert "Traceback" not in err, err
    # Either credit note may win. With both, 130 would be credited and 100 billed again: only 70 of 100 would be paid.
    [(credited, free)] = database.query(
        "SELECT (SELECT sum(amount_total) FROM account_move WHERE state = 'posted' AND move_type = 'out_refund'), "
        "(SELECT bool_and(move_id IS NULL) FROM astpp_usage_total)"
    )
    assert (credited, free) in ((30, False), (100, True))


LINES = """
import os, time
from odoo.exceptions import UserError
from odoo.service.model import retrying

def credit():
    usage = env["astpp.usage"].search([("account_id.number", "=", "P2")])
    wizard = env["astpp.usage.credit"].create({{"usage_ids": [(6, 0, usage.ids)], "reason": "twice", "date": "2024-02-02"}})
    wizard.action_credit()

print("READY", flush=True)
while not os.path.exists({go!r}):
    time.sleep(0.001)
try:
    retrying(credit, env)
    env.cr.commit()
except UserError as error:
    print("REFUSED", error)
    env.cr.rollback()
"""


def test_one_of_two_credits_the_call(database, tmp_path):
    database.shell(SET_UP.replace("P1", "P2"))
    go = tmp_path / "go"
    workers = [database.start_ready(LINES.format(go=str(go))) for _number in range(2)]
    go.touch()
    outs = []
    for worker in workers:
        out, err = worker.communicate(timeout=120)
        assert "Traceback" not in err, err
        outs.append(out)
    assert sum("on a credit note already" in out for out in outs) == 1, outs
    notes = "SELECT count(*), sum(amount_untaxed) FROM account_move WHERE astpp_credits_lines"
    assert database.query(notes) == [(1, 100)]
    in_force = (
        "SELECT sum(t.amount) FROM astpp_usage_total t JOIN astpp_account a ON a.id = account_id WHERE number = 'P2'"
    )
    assert database.query(in_force) == [(0,)], "what is billed, less what is credited"
