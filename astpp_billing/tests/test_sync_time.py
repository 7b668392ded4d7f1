from contextlib import contextmanager
from unittest.mock import patch

from odoo.tests import tagged

from ..connector import database
from ..models import astpp_synced_mixin
from ..models.job_time import JobTime
from ..models.sync import astpp_payment, astpp_server_calls
from .sync_common import SyncCommon


class Limits:
    """Limits of a job that commits so many times."""

    def __init__(self, commits):
        self._left = commits

    @property
    def is_up(self):
        self._left -= 1
        return self._left <= 0


@tagged("post_install", "-at_install")
class TestSyncTime(SyncCommon):
    """A synchronisation keeps each piece, ends in time, and goes on in the next job."""

    def setUp(self):
        super().setUp()
        self.order_package()
        for number in range(7):
            self.call(debit=number + 1)
            self.mariadb.insert(
                "payment_transaction",
                {"id": number + 1, "accountid": 13, "amount": number, "transaction_id": f"T{number}", "date": self.day},
            )
        self.patch(astpp_synced_mixin, "PIECE", 1)
        self.patch(astpp_payment, "BATCH", 2)
        self.patch(astpp_server_calls, "PIECE", 1)
        self.patch(self.registry["ir.cron"], "_commit_progress", lambda *_args, **_kwargs: 1.0)

        @contextmanager
        def unlocked(_server, _commit):
            yield True

        # The tests own the transaction, in which the lock's isolation level cannot be set.
        self.patch(type(self.server), "_locked", unlocked)

    def payments(self):
        return self.env["astpp.payment"].search([("server_id", "=", self.server.id)], order="astpp_id")

    def test_ends_in_time_and_goes_on(self):
        jobs = 0
        while self.server.sync_state != "done":
            done = self.server._sync(limits=Limits(8))
            jobs += 1
            self.assertLess(jobs, 40)
            if not done:
                self.assertIn(self.server.sync_state, ("running", "done"))
                self.assertFalse(self.server.sync_error)
        self.assertGreater(jobs, 2)
        self.assertEqual(sum(self.usage(("source", "=", "cdr")).mapped("amount")), 28)
        self.assertEqual((len(self.orders()), len(self.payments())), (1, 7))
        self.assertFalse(self.usage().filtered("exception"))

    def test_the_scheduled_action_triggers_itself_anew(self):
        cron = self.env.ref("astpp_billing.ir_cron_sync")
        self.server.sync_enabled = True
        self.env["astpp.server"].search([("id", "!=", self.server.id)])._astpp_own().write({"sync_enabled": False})
        with patch.object(JobTime, "is_up", True):
            self.env["astpp.server"].sudo()._cron_sync()
        self.assertEqual(self.server.sync_state, "running")
        self.assertTrue(self.env["ir.cron.trigger"].sudo().search([("cron_id", "=", cron.id)]))
        self.env["astpp.server"].sudo()._cron_sync()
        self.assertEqual(self.server.sync_state, "done")

    def test_steps_that_are_done_are_not_done_again(self):
        """Else small tables that take a job's whole time would keep it from ever reaching the calls."""
        done = []
        for commits in (4, 100):
            with patch.object(type(self.env["astpp.account"]), "_sync", autospec=True) as accounts:
                self.server._sync(limits=Limits(commits))
                done.append(accounts.called)
        self.assertEqual(done, [True, False])
        self.assertEqual(self.server.sync_state, "done")
        self.server._sync()
        self.assertEqual(len(self.account(13)), 1, "the next one begins anew")

    def test_payments_of_astpp_only(self):
        """Neither the keys of what Odoo writes, nor what was paid before *Usage From*, are payments here."""
        self.mariadb.insert(
            "payment_transaction",
            {"id": 50, "accountid": 13, "amount": 0, "transaction_id": "ODOO-abc-1", "date": self.day},
            {"id": 51, "accountid": 13, "amount": 9, "transaction_id": "OLD", "date": "2020-01-01 00:00:00"},
            {"id": 60, "accountid": 4711, "amount": 9, "transaction_id": "NOBODY", "date": self.day},
        )
        self.server._sync()
        self.assertEqual(self.payments().mapped("astpp_id"), [1, 2, 3, 4, 5, 6, 7, 60])
        self.assertEqual((self.payments()[2].amount, self.payments()[2].account_id), (2, self.account(13)))
        self.mariadb.insert(
            "payment_transaction", {"id": 52, "accountid": 13, "amount": 4, "transaction_id": "LATE", "date": self.day}
        )
        self.server._sync()
        self.assertIn(52, self.payments().mapped("astpp_id"), "committed after a higher id was read")
        self.assertEqual(self.step("payments").added_count, 1)

    def test_a_bad_payment_does_not_stop_the_others(self):
        self.mariadb.execute("UPDATE payment_transaction SET transaction_id = CONCAT('a', CHAR(1)) WHERE id = 3")
        self.env.cr.execute("ALTER TABLE astpp_payment ADD CONSTRAINT no_five CHECK (astpp_id <> 5)")
        self.server._sync()
        self.assertEqual(self.payments().mapped("astpp_id"), [1, 2, 3, 4, 6, 7])
        self.assertIn("ID 5", self.step("payments").message)

    def test_snapshots_on_the_switch_are_short(self):
        begun = []
        begin = database.Database._begin

        def count(self):
            begun.append(1)
            begin(self)

        self.patch(database, "OLD", -1)
        self.patch(database.Database, "_begin", count)
        self.server._sync()
        self.assertGreater(len(begun), 1)
        self.assertEqual(sum(self.usage(("source", "=", "cdr")).mapped("amount")), 28)
