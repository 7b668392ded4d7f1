from contextlib import nullcontext
from unittest.mock import patch

from odoo.tests import tagged

from ..connector.database import ConnectorError
from ..connector.schema import Finding
from .common import AstppCommon

MODULE = "odoo.addons.astpp_billing.models.sync.astpp_server_connection"


@tagged("post_install", "-at_install")
class TestConnectionNotification(AstppCommon):
    """*Test Connection* shows its result as a notification, and the full report on the form."""

    def answer(self, *findings, error=None):
        opens = patch.object(type(self.server), "_open", side_effect=error, return_value=nullcontext())
        writes = patch.object(type(self.server), "_check_writing", return_value=[])
        with opens, writes, patch(f"{MODULE}.check", return_value=list(findings)):
            action = self.server.action_test_connection()
        self.assertEqual(action["tag"], "display_notification")
        self.assertEqual(action["params"]["next"], {"type": "ir.actions.client", "tag": "soft_reload"})
        return action["params"]

    def test_ready(self):
        params = self.answer(Finding("ok", "ASTPP 6.0 on 10.11."))
        self.assertEqual((params["type"], params["sticky"]), ("success", False))
        self.assertIn("ASTPP 6.0", params["message"])

    def test_warning_names_its_cause(self):
        params = self.answer(Finding("ok", "ASTPP 6.0 on 10.11."), Finding("warning", "A cron of ASTPP invoices too."))
        self.assertEqual((params["type"], params["title"]), ("warning", "Ready, with Warnings"))
        self.assertEqual(params["message"], "A cron of ASTPP invoices too.")
        self.assertIn("ASTPP 6.0", self.server.check_report)

    def test_error_is_sticky(self):
        params = self.answer(error=ConnectorError("no answer"))
        self.assertEqual((params["type"], params["sticky"], params["message"]), ("danger", True, "no answer"))
        self.assertEqual(self.server.check_state, "error")
