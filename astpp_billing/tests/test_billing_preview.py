from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestBillingPreview(AstppCommon):
    def preview(self, *accounts, **values):
        run = self.env["astpp.billing.run"].create(
            {
                "date": "2024-02-01",
                "invoice_date": "2024-02-01",
                "account_ids": [(6, 0, [account.id for account in accounts])],
                **values,
            }
        )
        action = run.action_preview()
        return run, self.env["astpp.billing.preview"].search(action["domain"])

    def test_preview_equals_the_run_and_writes_nothing(self):
        euro = self.setup_other_currency("EUR", rates=[("2024-01-01", 0.7)])
        foreign = self.make_account("Foreign", currency_id=euro.id)
        negative = self.make_account("Negative")
        second = self.make_account("ignored", partner_id=self.customer.partner_id.id)
        self.customer.partner_id.astpp_one_invoice = True
        accounts = [self.customer, second, foreign, negative, self.reseller_customer]
        for account in accounts:
            self.load_calls(account, "1.111", "2.223")
        self.env["astpp.usage"].create(
            {"account_id": negative.id, "date": "2024-01-20", "amount": -50.55, "charge_type": "credit"}
        )
        run, rows = self.preview(*accounts)
        self.assertFalse(run.move_ids | run.result_ids.move_id)
        self.assertEqual(run.state, "new")
        self.assertFalse(
            self.env["astpp.usage"].search([("account_id", "in", run.account_ids.ids), ("move_id", "!=", False)])
        )
        run.action_run()
        real = {move.astpp_account_id: move for move in run.move_ids}
        shown = {row.account_id: row for row in rows if not row.reason}
        self.assertEqual(real.keys(), shown.keys())
        for account, move in real.items():
            row = shown[account]
            with self.subTest(account=account.display_name):
                self.assertEqual((row.amount_untaxed, row.amount_total), (move.amount_untaxed, move.amount_total))
                self.assertEqual(row.outcome, "1_invoice" if move.move_type == "out_invoice" else "2_refund")
                self.assertEqual((row.currency_id, row.period_end), (move.currency_id, move._astpp_period_dates()[1]))
        self.assertEqual(rows.filtered(lambda row: row.account_id == second).outcome, "1_invoice")
        self.assertIn(self.customer.number, rows.filtered(lambda row: row.account_id == second).reason)

    def test_missed_periods_one_by_one(self):
        for month in (1, 2, 3):
            self.load_calls(self.customer, str(month), callstart=f"2024-0{month}-10 00:00:00")
        _run, rows = self.preview(self.customer, date="2024-04-01")
        self.assertEqual(rows.sorted("period_start").mapped("amount_untaxed"), [1, 2, 3])
        _run, rows = self.preview(self.customer, date="2024-03-15")
        self.assertEqual(rows.sorted("period_start").mapped("amount_untaxed"), [1, 2])

    def test_final_invoice_of_a_suspended_account(self):
        """The preview covers the period that has ended and the rest until now, as the run does."""
        self.customer.status = "suspended"
        self.load_calls(self.customer, "1")
        now = fields.Datetime.now()
        self.customer.billed_until = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        self.customer.billed_until -= timedelta(days=1)
        self.customer.billed_until = self.customer.billed_until.replace(day=1)
        self.env["astpp.usage"].create(
            {"account_id": self.customer.id, "amount": 3, "date": now - timedelta(minutes=5)}
        )
        today = {"date": fields.Date.today(), "invoice_date": fields.Date.today()}
        run, rows = self.preview(self.customer, **today)
        run.action_run()
        self.assertEqual(len(rows.filtered(lambda row: row.outcome == "1_invoice")), len(run.move_ids))
        self.assertAlmostEqual(sum(rows.mapped("amount_untaxed")), sum(run.move_ids.mapped("amount_untaxed")))

    def test_reasons(self):
        now = fields.Datetime.now()
        prepaid = self.make_account("Prepaid", payment_mode="prepaid")
        off = self.make_account("Off", invoice_enabled=False)
        closed = self.make_account("Closed", status="closed")
        running = self.make_account("Running", billed_until=now - timedelta(days=1))
        chf = self.env.ref("base.CHF")
        chf.active = True
        chf.rate_ids.unlink()
        failing = self.make_account("Failing", currency_id=chf.id)
        idle = self.make_account("Idle")
        held = self.make_account("Held")
        self.load_calls(failing, "1")
        self.load_calls(held, "1", billseconds="32767")
        accounts = [prepaid, off, closed, running, failing, idle, held]
        _run, rows = self.preview(*accounts)
        found = {row.account_id: (row.outcome, row.reason or "") for row in rows}
        expected = {
            prepaid: ("7_off", "Prepaid"),
            off: ("7_off", "is off"),
            closed: ("7_off", "closed"),
            running: ("6_not_due", "ends on"),
            failing: ("5_error", "CHF"),
            idle: ("4_nothing", ""),
            held: ("4_nothing", ""),
        }
        self.assertEqual(found.keys(), expected.keys())
        for account, (outcome, reason) in expected.items():
            with self.subTest(account=account.display_name):
                self.assertEqual(found[account][0], outcome)
                self.assertIn(reason, found[account][1])
        self.assertEqual(rows.filtered(lambda row: row.account_id == held).held_count, 1)
