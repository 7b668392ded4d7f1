from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, new_test_user, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestBillingWork(AstppCommon):
    """A run lists what is due once, one item for each account and period, and works the list off."""

    def setUp(self):
        super().setUp()
        # No other account of the database is due.
        self.env["astpp.account"].search([]).invoice_enabled = False
        self.customer.invoice_enabled = True

    def new_run(self, *accounts, **values):
        values = {"date": "2024-04-01", "invoice_date": "2024-04-01", **values}
        return self.env["astpp.billing.run"].create(
            {"account_ids": [(6, 0, [account.id for account in accounts])], **values}
        )

    def listed(self, run):
        """Start a run without billing anything."""
        run = run._astpp_own()
        run.state = "running"
        run._write_list(run._due_periods())
        return run.result_ids

    def without_rate(self, account):
        account.currency_id = self.env.ref("base.JPY")
        account.currency_id.rate_ids.unlink()

    def use(self, account, amount, date):
        return self.env["astpp.usage"].create({"account_id": account.id, "amount": amount, "date": date})

    def test_missed_periods_are_billed_in_order(self):
        for month in (1, 2, 3):
            self.load_calls(self.customer, str(month), callstart=f"2024-0{month}-10 00:00:00")
        run = self.new_run(self.customer)
        items = self.listed(run).sorted("period_start")
        self.assertEqual(items.mapped("state"), ["pending"] * 3)
        self.assertEqual([start.month for start in items.mapped("period_start")], [1, 2, 3])
        self.assertEqual((run.due_count, run.progress), (1, 0))
        for done in range(3):
            self.assertEqual(run._astpp_own()._bill_due_batch(), items[done])
            self.assertAlmostEqual(run.progress, 100 * (done + 1) / 3)
        self.assertEqual(items.move_id.mapped("amount_untaxed"), [1, 2, 3])
        self.assertFalse(run._astpp_own()._bill_due_batch())
        self.assertEqual((run.due_count, run.progress), (0, 100))
        self.assertLedgerHolds()

    def test_what_comes_due_meanwhile_is_for_the_next_run(self):
        run, other = self.new_run(self.customer), self.make_account("Other")
        run.account_ids |= other
        other.invoice_enabled = False
        self.listed(run)
        other.invoice_enabled = True
        run.action_run()
        self.assertEqual((run.state, run.result_ids.account_id), ("done", self.customer))

    def test_second_run_does_not_list_what_the_first_has(self):
        self.load_calls(self.customer, "1")
        first, second = self.new_run(self.customer), self.new_run(self.customer)
        items = self.listed(first)
        second.action_run()
        self.assertEqual((second.state, second.result_ids.ids, first.result_ids), ("done", [], items))
        self.assertFalse(self.env["astpp.billing.run"]._astpp_own()._start_due_runs())
        first.action_run()
        self.assertEqual((first.state, first.move_ids.amount_untaxed), ("done", 1))

    def test_what_a_stopped_run_left_is_taken_over(self):
        self.load_calls(self.customer, "1")
        first, second = self.new_run(self.customer), self.new_run(self.customer)
        items = self.listed(first)
        first._astpp_own().state = "stopped"
        second.action_run()
        self.assertEqual((second.result_ids, second.move_ids.amount_untaxed), (items, 1))
        first.action_run()
        self.assertEqual((first.state, first.result_ids.ids), ("done", []))

    def test_changed_account_is_not_billed_by_an_old_list(self):
        """A cycle, a date or a switch that changed since overtakes the item; the next list has what is due instead."""
        self.load_calls(self.customer, "1")
        for change in ({"billing_day": 15}, {"billed_until": "2024-01-10 00:00:00"}, {"invoice_enabled": False}):
            run = self.new_run(self.customer, date="2024-02-01")
            self.listed(run)
            self.customer.write(change)
            run._astpp_own()._bill_at_once()
            self.assertEqual((run.state, run.result_ids.ids, run.move_ids.ids), ("done", [], []), change)

    def test_later_periods_wait_for_a_failure(self):
        for month in (1, 2, 3):
            self.load_calls(self.customer, str(month), callstart=f"2024-0{month}-10 00:00:00")
        self.without_rate(self.customer)
        run = self.new_run(self.customer)
        run.action_run()
        items = run.result_ids.sorted("period_start")
        self.assertEqual((run.state, items.mapped("state")), ("done", ["failed", "pending", "pending"]))
        self.assertEqual((run.failed_count, run.due_count, self.customer.billing_failures), (1, 0, 1))
        for failures in (2, 3):
            run.action_retry_failed()
            self.assertEqual((run.state, self.customer.billing_failures), ("done", failures))
        self.setup_other_currency("JPY", rates=[("2024-01-01", 100)])
        items[0].action_retry()
        self.assertEqual(items.mapped("state"), ["invoiced"] * 3)
        self.assertEqual(items.move_id.mapped("amount_untaxed"), [100, 200, 300])
        self.assertFalse(self.customer.billing_failure_ids)
        self.assertFalse(self.server._alerts("billing"))
        self.assertFalse(self.env["astpp.violation"]._check())

    def test_failing_account_makes_no_new_run(self):
        runs = self.env["astpp.billing.run"]
        before = runs.search_count([])
        with freeze_time("2024-02-01 06:00:00") as clock:
            self.load_calls(self.customer, "5")
            self.without_rate(self.customer)
            # By the last attempt another period has ended.
            for moment in ("01 06:00", "01 06:30", "01 07:05", "01 10:10", "01 19:20", "02 19:30", "29 19:30"):
                clock.move_to(f"2024-02-{moment}:00")
                for run in runs._astpp_own()._open_runs():
                    run._bill_at_once()
            clock.move_to("2024-03-02 19:35:00")
            for run in runs._astpp_own()._open_runs():
                run._bill_at_once()
            self.assertEqual((runs.search_count([]), self.customer.billing_failures), (before + 1, 7))
            item = self.customer.billing_failure_ids
            self.assertEqual(item.run_id.state, "done")
            self.assertEqual(len(self.server._alerts("billing")), 1)
            self.assertIn(self.customer, self.customer.search([("billing_retry_date", "!=", False)]))
            self.setup_other_currency("JPY", rates=[("2024-01-01", 100)])
            clock.move_to("2024-03-03 19:40:00")
            for run in runs._astpp_own()._open_runs():
                run._bill_at_once()
            self.assertEqual((item.state, item.move_id.amount_untaxed), ("invoiced", 500))
            self.assertEqual(item.move_id.invoice_date, fields.Date.to_date("2024-03-03"), "the day it was made")
            [february] = runs._astpp_own()._open_runs()
            self.assertEqual(february.result_ids.period_start, item.period_end)

    def test_period_opened_again_before_a_failure_is_billed_first(self):
        with freeze_time("2024-03-01 06:00:00"):
            for month in (1, 2):
                self.load_calls(self.customer, str(month), callstart=f"2024-0{month}-10 00:00:00")
            january = self.bill(self.customer).move_ids
            self.without_rate(self.customer)
            failed = self.bill(self.customer, date="2024-03-01").result_ids
            self.setup_other_currency("JPY", rates=[("2024-01-01", 100)])
            january.button_cancel()
            [run] = self.env["astpp.billing.run"]._astpp_own()._open_runs()
            run._bill_at_once()
            items = run.result_ids.sorted("period_start")
            self.assertEqual((items[1:], items.move_id.mapped("amount_untaxed")), (failed, [100, 200]))

    def test_drafts_of_a_retry_are_told_once(self):
        self.load_calls(self.customer, "5")
        self.without_rate(self.customer)
        run = self.new_run(self.customer, date="2024-02-01", mode="draft")
        run.action_run()
        told = len(run.message_ids)
        run.action_retry_failed()
        self.assertEqual(len(run.message_ids), told, "nothing new")
        self.setup_other_currency("JPY", rates=[("2024-01-01", 100)])
        run.action_retry_failed()
        self.assertEqual(len(run.message_ids), told + 1)

    def test_only_those_who_bill_may_retry(self):
        self.load_calls(self.customer, "5")
        self.without_rate(self.customer)
        item = self.bill(self.customer).result_ids
        reader = new_test_user(self.env, login="reader", groups="base.group_user,account.group_account_readonly")
        with self.assertRaises(AccessError):
            item.with_user(reader).action_retry()
        biller = new_test_user(self.env, login="biller", groups="base.group_user,account.group_account_invoice")
        item.with_user(biller).action_retry()
        self.assertEqual((item.state, item.failures), ("failed", 2))

    def test_bill_up_to_now_cuts_the_period(self):
        with freeze_time("2024-05-10 12:00:00") as clock:
            account = self.make_account("Leaving", billed_until="2024-04-01 00:00:00")
            for amount, date in ((1, "2024-04-20"), (2, "2024-05-03"), (4, "2024-05-20")):
                self.use(account, amount, date)
            action = account.action_bill_now()
            run = self.env[action["res_model"]].browse(action["res_id"])
            self.assertEqual(run._name, "astpp.billing.run", "two periods, two invoices")
            self.assertEqual(run.move_ids.sorted("astpp_period_start").mapped("amount_untaxed"), [1, 2])
            self.assertEqual(account.billed_until, fields.Datetime.now())
            self.assertFalse(account.final_date, "it goes on")
            with self.assertRaisesRegex(UserError, "nothing to invoice"):
                account.action_bill_now()
            self.assertEqual(len(account.move_ids), 2)
            # Usage of before that came late, the same second.
            self.use(account, 8, "2024-05-04")
            move = self.env["account.move"].browse(account.action_bill_now()["res_id"])
            self.assertEqual(move.amount_untaxed, 8)
            clock.move_to("2024-06-01 08:00:00")
            run = self.bill(account, date="2024-06-01", invoice_date="2024-06-01")
            self.assertEqual(run.move_ids.amount_untaxed, 4)
            self.assertEqual(run.result_ids.period_start, fields.Datetime.to_datetime("2024-05-10 12:00:00"))
            self.assertEqual(account.billed_until, fields.Datetime.to_datetime("2024-06-01"))
        self.assertLedgerHolds()

    def test_cancelling_a_bill_up_to_now_joins_the_period_again(self):
        with freeze_time("2024-05-10 12:00:00") as clock:
            account = self.make_account("Staying", billed_until="2024-05-01 00:00:00")
            self.use(account, 2, "2024-05-03")
            self.env["account.move"].browse(account.action_bill_now()["res_id"]).button_cancel()
            self.assertEqual(account.billed_until, fields.Datetime.to_datetime("2024-05-01"))
            clock.move_to("2024-06-01 08:00:00")
            run = self.bill(account, date="2024-06-01", invoice_date="2024-06-01")
            self.assertEqual(run.move_ids.amount_untaxed, 2)

    def test_run_up_to_now_takes_only_accounts_with_usage(self):
        """Nobody gets an invoice of zero, and no running period is cut, because somebody else is billed up to now."""
        self.operator.invoice_no_usage = True
        start = fields.Datetime.now() - timedelta(days=3)
        used, idle = (self.make_account(name, billed_until=start, cycle_unit="year") for name in ("Used", "Idle"))
        self.use(used, 3, start + timedelta(days=1))
        today = fields.Date.context_today(used)
        run = self.bill(used, idle, date=today, invoice_date=today, up_to_now=True)
        self.assertEqual((run.result_ids.account_id, run.move_ids.amount_untaxed), (used, 3))
        self.assertEqual(idle.billed_until, start)

    def test_future_date_shows_what_will_be_billed(self):
        now = fields.Datetime.now()
        account = self.make_account("Coming", cycle_unit="day", billed_until=now - timedelta(days=1, hours=1))
        self.use(account, 3, now - timedelta(hours=1))
        run = self.new_run(account, date=fields.Date.today() + timedelta(days=2))
        before = self.env["astpp.billing.result"].search_count([])
        billed_until = account.billed_until
        rows = self.env["astpp.billing.preview"].search(run.action_preview()["domain"])
        self.assertEqual(sum(rows.mapped("amount_untaxed")), 3)
        coming = rows.filtered(lambda row: row.reason)
        self.assertTrue(coming.filtered(lambda row: row.outcome in ("1_invoice", "4_nothing")))
        self.assertIn("not ended yet", coming[0].reason)
        self.assertEqual(max(rows.mapped("period_end")), fields.Date.today() + timedelta(days=1))
        self.assertEqual((run.state, run.move_ids.ids, account.billed_until), ("new", [], billed_until))
        self.assertEqual(self.env["astpp.billing.result"].search_count([]), before)
