"""Two processes post in the same series at the same time."""

import pytest

SET_UP = """
server = env.ref("astpp_billing.astpp_server_main")
operator = env["astpp.issuer"]._operator(env.company)
operator.prefix = PREFIX
partner = env["res.partner"].create({"name": "Parallel"})
drafts = env["account.move"].create([{
    "move_type": "out_invoice", "partner_id": partner.id, "invoice_date": "2024-02-01",
    "journal_id": operator.journal_id.id, "astpp_issuer_id": operator.id,
    "invoice_line_ids": [(0, 0, {"name": "x", "price_unit": 1, "tax_ids": []})],
} for n in range(120)])
env.cr.commit()
"""
POST = """
from odoo.service.model import retrying
moves = env["account.move"].search([("state", "=", "draft"), ("astpp_issuer_id", "!=", False)])
for move in moves.filtered(lambda move: move.id % 2 == {half}):
    retrying(move.action_post, env)
    env.cr.commit()
"""


@pytest.mark.parametrize(("prefix", "series"), [("INV_", "INV_"), ("{year}/", "2024/")])
def test_numbers_stay_gapless(database, prefix, series):
    database.shell(f"PREFIX = {prefix!r}\n{SET_UP}")
    workers = [database.start_shell(POST.format(half=half)) for half in (0, 1)]
    for worker in workers:
        _out, err = worker.communicate(timeout=300)
        assert "Traceback" not in err, err
    names = [
        name
        for (name,) in database.query(
            "SELECT name FROM account_move WHERE state = 'posted' AND astpp_series = %s ORDER BY name", series
        )
    ]
    assert names == [f"{series}{number:05d}" for number in range(1, 121)]
    assert not database.query("SELECT 1 FROM account_move WHERE made_sequence_gap AND state = 'posted'")
