from odoo.tests import tagged

from .sync_common import SyncCommon


@tagged("post_install", "-at_install")
class TestSyncNumbers(SyncCommon):
    """Accounts that were made in Odoo, by resellers on the portal, before ASTPP told of them."""

    def test_made_here_first(self):
        """ASTPP's account is the same one; whoever named its number first does not keep it."""
        claimer = self.make_account("Claimer", account_type="reseller", server_id=self.server.id)
        made = self.make_account(
            "Carla", server_id=self.server.id, number="C12", astpp_id=0, parent_id=claimer.id,
        )  # fmt: skip
        self.sync()
        self.assertEqual(self.account(12), made)
        self.assertEqual(made.parent_id, self.account(7))
        self.assertEqual((made.cycle_unit, made.status), ("month", "active"))
        self.sync()
        self.assertEqual(self.account(12), made)
