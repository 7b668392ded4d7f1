from odoo.tests import new_test_user, tagged

from ..connector.database import ConnectorError
from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestAlert(AstppCommon):
    """A fault is reported once per key, and its alert alone is cleared once it is fixed."""

    def setUp(self):
        super().setUp()
        self.keeper = new_test_user(self.env, login="keeper", groups="account.group_account_manager")
        self.server.responsible_id = self.keeper
        # The following actions are those of our own methods.
        self.server = self.server._astpp_own()

    def summaries(self):
        return sorted(self.server.activity_ids.mapped("summary"))

    def test_alert_is_raised_once_with_the_newest_reason(self):
        self.server._raise_alert("sync", "Broken", "first <b>reason</b>")
        self.server._raise_alert("sync", "Broken", "second")
        alert = self.server.activity_ids
        self.assertEqual((len(alert), alert.user_id, alert.astpp_alert), (1, self.keeper, "sync"))
        self.assertIn("second", alert.note)

    def test_reason_is_escaped(self):
        self.server._raise_alert("sync", "Broken", "<img src=x> & more")
        self.assertIn("&lt;img", self.server.activity_ids.note)

    def test_synchronisation_clears_only_its_own_alert(self):
        self.server._raise_alert("ledger", "Ledger", "contradiction")
        self.server._raise_alert("outbox", "Outbox", "not written")
        self.server._raise_alert("sync", "Sync", "failed")
        self.server.activity_schedule("mail.mail_activity_data_warning", summary="My own", user_id=self.keeper.id)
        self.server._succeed()
        self.assertEqual(self.summaries(), ["Ledger", "My own", "Outbox"])

    def test_failing_synchronisation_raises_one_alert(self):
        self.server._start_steps()
        self.server._fail(ConnectorError("no answer"))
        self.server._fail(ConnectorError("still none"))
        self.assertEqual(len(self.server.activity_ids), 1)
        self.assertIn("still none", self.server.activity_ids.note)
        # A user who marks the alert as done knows of the failure, so it raises no new alert.
        self.server.activity_ids.action_feedback()
        self.server._fail(ConnectorError("still none"))
        self.assertFalse(self.server.activity_ids)
        self.server._succeed()
        self.server._fail(ConnectorError("again"))
        self.assertEqual(len(self.server.activity_ids), 1)

    def test_ledger_alert_is_cleared_with_its_cause(self):
        violations = self.env["astpp.violation"]
        self.load_calls(self.customer, 5)
        move = self.bill(self.customer).move_ids
        line = move.invoice_line_ids
        self.env.cr.execute("UPDATE account_move_line SET astpp_usage_amount = 4 WHERE id = %s", [line.id])
        self.env.invalidate_all()
        violations._cron_check()
        self.assertTrue(self.server._alerts("ledger"))
        line._astpp_own().astpp_usage_amount = 5
        violations._cron_check()
        self.assertFalse(self.server._alerts("ledger"))

    def test_outbox_alert_is_cleared_when_the_change_is_skipped(self):
        self.server.host = "127.0.0.1"
        outbox = self.env["astpp.outbox"]
        entry = outbox._enqueue_balances([(self.customer, 5, "topup/1", "Five")])
        for _attempt in range(6):
            entry._fail("no such account")
        self.assertTrue(self.server._alerts("outbox"))
        entry.with_user(self.keeper)._skip("by hand")
        self.assertFalse(self.server._alerts("outbox"))
