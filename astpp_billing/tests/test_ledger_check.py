from datetime import datetime

from odoo.exceptions import AccessError
from odoo.service.model import call_kw
from odoo.tests import new_test_user, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestLedgerCheck(AstppCommon):
    """The check finds what the addon itself never does: these tests break the ledger by hand."""

    def setUp(self):
        super().setUp()
        self.usage = self.load_calls(self.customer, "1.111", "2.222")
        self.move = self.bill(self.customer).move_ids
        self.line = self.move.invoice_line_ids
        self.env.flush_all()

    def kinds(self):
        self.env["astpp.violation"]._check()
        return sorted(self.env["astpp.violation"].search([]).mapped("kind"))

    def sql(self, statement, *parameters):
        self.env.cr.execute(statement, parameters)
        self.env.invalidate_all()

    def test_sound_ledger(self):
        self.assertEqual(self.kinds(), [])
        self.assertEqual(self.env["astpp.violation"].action_check()["params"]["type"], "success")

    def test_button(self):
        """The list's button passes the selected rows, usually none."""
        call_button = self.env["astpp.violation"].browse([]).action_check
        self.assertEqual(call_kw(self.env["astpp.violation"], "action_check", [[]], {}), call_button())

    def test_usage_changed_after_billing(self):
        self.sql("UPDATE astpp_usage SET amount = amount + 1 WHERE id = %s", self.usage[0].id)
        self.assertEqual(self.kinds(), ["other_day", "other_total"])
        violation = self.env["astpp.violation"].search([("kind", "=", "other_total")])
        self.assertEqual((violation.expected, violation.found, violation.usage_count), (4.333, 3.333, 2))
        self.assertEqual(violation.move_id, self.move)
        self.assertEqual(self.env["astpp.violation"].action_check()["params"]["type"], "warning")

    def test_usage_lost(self):
        self.sql("UPDATE astpp_usage SET total_id = NULL WHERE id = %s", self.usage[0].id)
        self.assertEqual(self.kinds(), ["no_total", "other_total"])

    def test_total_changed_after_billing(self):
        self.sql("UPDATE astpp_usage_total SET amount = amount + 1 WHERE move_id = %s", self.move.id)
        self.assertEqual(self.kinds(), ["other_amount", "other_sum", "other_total"])
        violation = self.env["astpp.violation"].search([("kind", "=", "other_sum")])
        self.assertEqual((violation.expected, violation.found, violation.usage_count), (3.333, 4.333, 2))

    def test_held_line_on_an_invoice(self):
        self.sql("UPDATE astpp_usage SET exception = 'gone' WHERE id = %s", self.usage[0].id)
        self.assertEqual(self.kinds(), ["other_day", "other_day", "other_total"])

    def test_nightly_check_reads_what_changed(self):
        """What was right and did not change since is not added up again; what is wrong stays on the list."""
        self.env["astpp.violation"]._cron_check()
        self.sql("UPDATE astpp_usage_total SET changed_date = '2000-01-01' WHERE move_id = %s", self.move.id)
        self.sql("UPDATE astpp_usage_day SET changed_date = '2000-01-01'")
        self.sql("UPDATE astpp_usage SET amount = amount + 1 WHERE id = %s", self.usage[0].id)
        self.env["astpp.violation"]._cron_check()
        self.assertFalse(self.env["astpp.violation"].search([]))
        for _night in range(2):
            self.sql("UPDATE astpp_usage_total SET changed_date = now() WHERE move_id = %s", self.move.id)
            self.env["astpp.violation"]._cron_check()
            self.sql("UPDATE astpp_usage_total SET changed_date = '2000-01-01' WHERE move_id = %s", self.move.id)
            self.assertEqual(self.env["astpp.violation"].search([]).mapped("kind"), ["other_total"])

    def test_day_changed(self):
        """A wrong day stays on the list until it is right, whether or not it is compared again because it changed."""
        self.sql("UPDATE astpp_usage_day SET amount = amount + 1, changed_date = '2000-01-01'")
        self.assertEqual(self.kinds(), ["other_day"])
        violation = self.env["astpp.violation"].search([])
        self.assertEqual((violation.expected, violation.found, violation.usage_count), (3.333, 4.333, 2))
        self.env["astpp.violation"]._check(datetime(2010, 1, 1))
        self.assertEqual(self.env["astpp.violation"].search([]).mapped("kind"), ["other_day"])
        self.sql("UPDATE astpp_usage_day SET amount = amount - 1")
        self.env["astpp.violation"]._check(datetime(2010, 1, 1))
        self.assertFalse(self.env["astpp.violation"].search([]))

    def test_day_lost(self):
        self.sql("DELETE FROM astpp_usage_day")
        self.env["astpp.violation"]._check(datetime(2010, 1, 1))
        self.assertEqual(self.env["astpp.violation"].search([]).mapped("kind"), ["other_day"])

    def test_line_edited(self):
        self.move.button_draft()
        self.line.price_unit = 3
        self.assertEqual(self.kinds(), ["other_amount"])

    def test_line_added_by_hand(self):
        self.move.button_draft()
        self.line.copy({"price_unit": 5, "move_id": self.move.id})
        self.assertEqual(self.kinds(), [])

    def test_cancelled_with_usage(self):
        self.sql("UPDATE account_move SET state = 'cancel' WHERE id = %s", self.move.id)
        self.assertEqual(self.kinds(), ["not_in_force"])

    def test_usage_of_another_account(self):
        other = self.load_calls(self.make_account("Other"), "1")
        self.sql(
            "UPDATE astpp_usage_total SET move_line_id = %s, move_id = %s, takes_lines = FALSE WHERE id = %s",
            *(self.line.id, self.move.id, other.total_id.id),
        )
        self.assertIn("other_account", self.kinds())

    def test_currencies_and_credits(self):
        euro = self.setup_other_currency("EUR", rates=[("2024-01-01", 0.7)])
        foreign = self.make_account("Foreign", currency_id=euro.id)
        self.load_calls(foreign, "1.2345", "7.7777")
        self.env["astpp.usage"].create(
            {"account_id": foreign.id, "date": "2024-01-20", "amount": -50.55, "charge_type": "credit"}
        )
        move = self.bill(foreign).move_ids
        self.assertEqual(move.move_type, "out_refund")
        # A later change of the rate does not affect invoices.
        euro.rate_ids.filtered(lambda rate: rate.name.year == 2024).rate = 0.9
        self.assertEqual(self.kinds(), [])

    def test_one_alert_for_the_responsible_user(self):
        self.server.responsible_id = self.env.user
        self.sql("UPDATE account_move SET state = 'cancel' WHERE id = %s", self.move.id)
        for _night in range(2):
            self.env["astpp.violation"]._cron_check()
        self.assertEqual(len(self.server.activity_ids), 1)

    def test_portal_users_cannot_check(self):
        user = new_test_user(self.env, login="portal check", groups="base.group_portal")
        with self.assertRaises(AccessError):
            self.env["astpp.violation"].with_user(user).action_check()
