from unittest.mock import Mock, patch

from odoo.tests import tagged

from ..connector.calls import Slice
from ..connector.database import ConnectorError
from ..models.sync import sync_run
from ..models.sync.sync_run import SyncRun
from ..models.sync.sync_steps import STEPS
from .common import AstppCommon


def hour(number):
    return Slice(f"2024-01-15 {number:02}:00:00", 1, 60, "0.1", 1)


@tagged("post_install", "-at_install")
class TestSyncRun(AstppCommon):
    """What the steps of a synchronisation share."""

    def setUp(self):
        super().setUp()
        self.asked = []
        self.answers = {"cdr": [hour(1)], "reseller_cdr": []}
        self.enterContext(patch.object(sync_run, "read_hours", self.read_hours))
        self.run_of_server = SyncRun(self.server)

    def read_hours(self, database, start, end, sources=("cdr", "reseller_cdr")):
        for source in sources:
            self.asked.append(source)
            if source not in self.answers:
                raise ConnectorError("gone")
            yield source, self.answers[source]

    def test_hours_are_summed_up_in_advance(self):
        """The hours read in advance are used once; after that, the current ones are read."""
        run = self.run_of_server
        with run.adding_up_hours():
            pass
        self.answers["cdr"] = [hour(1), hour(2)]
        self.assertEqual((run.hours("cdr"), run.hours("reseller_cdr")), ([hour(1)], []))
        self.assertEqual(self.asked, ["cdr", "reseller_cdr"])
        self.assertEqual(run.hours("cdr"), [hour(1), hour(2)])

    def test_hours_that_cannot_be_read(self):
        """The step that needs the hours reports the error, not the one that sums them up in passing."""
        run = self.run_of_server
        del self.answers["reseller_cdr"]
        with run.adding_up_hours():
            pass
        self.assertEqual(run.hours("cdr"), [hour(1)])
        with self.assertRaisesRegex(ConnectorError, "gone"):
            run.hours("reseller_cdr")

    def test_each_step_has_its_own_rows_left_out(self):
        run = self.run_of_server
        steps = self.server._astpp_own()._start_steps()
        with run.running(steps["dids"]):
            run.left_out.add("ID 1: a reason", 1)
            run.note(3, 1, 1, "A remark.")
        with run.running(steps["orders"]):
            run.note(2, 0, 0)
        self.assertEqual((steps["dids"].state, steps["dids"].left_out_count), ("done", 1))
        self.assertEqual(steps["dids"].message.splitlines()[::2], ["A remark.", "ID 1: a reason"])
        self.assertEqual((steps["orders"].read_count, steps["orders"].left_out_count), (2, 0))
        self.assertFalse(steps["orders"].message)

    def test_settings_are_read_once(self):
        run = self.run_of_server
        with patch.object(sync_run, "system_settings", return_value={"base_currency": "EUR"}) as ask:
            self.assertEqual((run.settings, run.settings), ({"base_currency": "EUR"},) * 2)
        self.assertEqual(ask.call_count, 1)

    def test_commits_only_if_asked(self):
        for commits in (False, True):
            with patch.object(type(self.env["ir.cron"]), "_commit_progress", Mock()) as commit:
                SyncRun(self.server, commits).commit()
            self.assertEqual(commit.call_count, commits)

    def test_steps_are_shown_in_their_order(self):
        self.server._astpp_own()._start_steps()
        self.assertEqual(self.server.sync_step_ids.mapped("step"), [step.name for step in STEPS])
