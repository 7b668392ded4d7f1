"""What an administrator does with the addon: install, update, run tests with Odoo's own runner, uninstall."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1] / "astpp_billing" / "tests"


def complaints(log):
    """Return all warnings and errors of a log."""
    return [
        line
        for line in log.splitlines()
        if re.search(r" (WARNING|ERROR|CRITICAL) ", line) and "running as user 'root'" not in line.lower()
    ]


def of_ours(log):
    return [
        line
        for line in complaints(log)
        if "astpp" in line.replace("astpp_test_install_empty", "").replace("astpp_billing-", "")
    ]


def test_install_update_and_uninstall(empty_database):
    log = empty_database.odoo("-i", "astpp_billing", "--stop-after-init")
    assert not of_ours(log)
    [(state, application, category)] = empty_database.query(
        """SELECT m.state, m.application, c.name->>'en_US' FROM ir_module_module m
             JOIN ir_module_category c ON c.id = m.category_id WHERE m.name = 'astpp_billing'"""
    )
    assert (state, application, category) == ("installed", True, "Accounting")

    log = empty_database.odoo("-u", "astpp_billing", "--stop-after-init")
    assert not of_ours(log)

    log = empty_database.odoo(
        "--test-tags",
        "/astpp_billing:TestBillingRun,/astpp_billing:TestNumbering",
        "--stop-after-init",
        "--http-port",
        "8199",
    )
    assert "0 failed, 0 error(s)" in log
    assert int(re.search(r"0 failed, 0 error\(s\) of (\d+) tests", log)[1]) > 30

    empty_database.shell(
        """
module = env["ir.module.module"].search([("name", "=", "astpp_billing")])
move = env["account.move"].create({
    "move_type": "out_invoice", "partner_id": env.company.partner_id.id,
    "astpp_issuer_id": env["astpp.issuer"]._operator(env.company).id,
    "invoice_line_ids": [(0, 0, {"name": "x", "price_unit": 1})],
})
move.action_post()
env.cr.commit()
module.button_immediate_uninstall()
env.cr.commit()
"""
    )
    left = empty_database.query("SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'astpp%%'")
    assert not left
    assert not empty_database.query("SELECT 1 FROM ir_model_data WHERE module = 'astpp_billing'")
    assert not empty_database.query("SELECT 1 FROM ir_cron WHERE cron_name LIKE 'ASTPP%%'")
    [(name, state)] = empty_database.query("SELECT name, state FROM account_move WHERE name LIKE 'INV\\_%%'")
    assert (name, state) == ("INV_00001", "posted"), "invoices stay"
    log = empty_database.odoo("--stop-after-init", "-u", "base")
    assert not of_ours(log)


def test_odoos_runner_finds_every_test():
    """pytest finds test files by name, but Odoo's runner only those that the package imports."""
    imported = (TESTS / "__init__.py").read_text(encoding="utf-8")
    assert not [file.stem for file in TESTS.glob("test_*.py") if f"{file.stem}," not in imported]
