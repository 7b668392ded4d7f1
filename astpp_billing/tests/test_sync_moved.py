from datetime import timedelta

from odoo.tests import tagged

from .sync_common import SyncCommon


@tagged("post_install", "-at_install")
class TestSyncMoved(SyncCommon):
    """An account moves to another reseller in ASTPP: each call is of the reseller whom its row names."""

    def setUp(self):
        super().setUp()
        self.mariadb.insert(
            "accounts", {"id": 6, "number": "R6", "type": 1, "company_name": "Next Reseller", "posttoexternal": 1}
        )
        self.sync()
        self.issuers = {key: self.make_issuer(self.account(key), prefix=f"M{key}-") for key in (7, 6)}
        self.server._astpp_own().sync_date = self.day
        self.moved = self.day + timedelta(hours=3)

    def make_calls(self):
        self.call(at=self.moved - timedelta(hours=1), reseller_id=7, uniqueid="before")
        self.call(at=self.moved, reseller_id=6, uniqueid="first")
        self.call(at=self.moved + timedelta(hours=1), reseller_id=6, uniqueid="after")

    def issuers_of_calls(self):
        return {usage.uniqueid: usage.issuer_id for usage in self.usage(("account_id", "=", self.account(12).id))}

    def test_calls_of_before_the_move_was_noticed(self):
        self.call(at=self.moved - timedelta(hours=2), reseller_id=7, uniqueid="earlier")
        self.sync()
        self.server._astpp_own().sync_date = self.day
        self.make_calls()
        self.mariadb.execute("UPDATE accounts SET reseller_id = 6 WHERE id = 12")
        self.sync()
        old, new = self.issuers[7], self.issuers[6]
        self.assertEqual(self.issuers_of_calls(), {"earlier": old, "before": old, "first": new, "after": new})
        self.assertEqual(max(self.account(12).term_ids.mapped("date_from")), self.moved)

    def test_calls_that_were_loaded_before_the_move_was_noticed(self):
        """The calls were read while the account was still under its former reseller; they follow."""
        self.make_calls()
        self.sync()
        self.server._astpp_own().sync_date = self.day
        self.assertEqual(set(self.issuers_of_calls().values()), {self.issuers[7]})
        self.mariadb.execute("UPDATE accounts SET reseller_id = 6 WHERE id = 12")
        self.sync()
        old, new = self.issuers[7], self.issuers[6]
        self.assertEqual(self.issuers_of_calls(), {"before": old, "first": new, "after": new})

    def test_no_call_yet(self):
        self.call(at=self.moved, reseller_id=7, uniqueid="before")
        self.sync()
        self.mariadb.execute("UPDATE accounts SET reseller_id = 6 WHERE id = 12")
        self.sync()
        self.assertEqual(self.issuers_of_calls(), {"before": self.issuers[7]})
        self.assertEqual(self.account(12).issuer_id, self.issuers[6])
