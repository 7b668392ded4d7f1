from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..connector.changes import AccountSwitches
from ..connector.database import UnreachableError
from ..connector.writer import Writer
from ..models.writeback.astpp_outbox import Queued
from .outbox_common import OutboxCommon


@tagged("post_install", "-at_install")
class TestOutboxFailures(OutboxCommon):
    """Changes for ASTPP that cannot be written, or were written by a process that died."""

    def test_once_after_a_crash(self):
        """If only ASTPP has committed, the next attempt notices it and changes nothing."""
        entry = self.queue(12, 50, "topup/1")
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            entry._apply()
            raise ZeroDivisionError
        self.env.invalidate_all()
        self.assertEqual((entry.state, self.balance(12)), ("waiting", 70))
        self.apply()
        self.assertEqual((entry.state, entry.message, self.balance(12)), ("applied", "ASTPP had it already.", 70))

    def test_reused_id_is_recognised_by_the_number(self):
        """After a restore of ASTPP's database an ID may belong to another account, so the number must match too."""
        entry = self.queue(12, 50, "topup/1")
        self.mariadb.execute("UPDATE accounts SET number = 'Z99' WHERE id = 12")
        self.apply()
        self.assertEqual((entry.state, self.balance(12)), ("waiting", 20))
        self.assertIn("C12", entry.message)
        self.mariadb.execute("UPDATE accounts SET number = 'C12' WHERE id = 12")
        entry.next_date = False
        self.apply()
        self.assertEqual((entry.state, self.balance(12)), ("applied", 70))

    def test_nothing_half_written(self):
        """A failure between the statements leaves ASTPP unchanged."""
        entry = self.queue(12, 50, "topup/1")
        insert = Writer._insert_rows

        def fails(writer, *arguments):
            insert(writer, *arguments)
            writer._connection._force_close()

        with patch.object(Writer, "_insert_rows", fails):
            self.apply()
        self.assertEqual((entry.state, entry.attempts, self.balance(12)), ("waiting", 1, 20))
        self.assertFalse(self.mariadb.execute("SELECT 1 FROM payment_transaction"))

    def test_order_and_failures(self):
        self.mariadb.execute("DELETE FROM accounts WHERE id = 12")
        first, second = self.queue(12, 50, "topup/1"), self.queue(12, -5, "usage/1/period/1")
        other = self.queue(13, -7, "usage/2/period/1")
        for _attempt in range(6):
            self.apply()
            self.assertGreater(first.next_date, fields.Datetime.now(), "later, not at once")
            first.next_date = False
        self.assertEqual((first.state, first.attempts, second.state, other.state), ("failed", 6, "waiting", "applied"))
        self.assertIn("no account with the ID 12", first.message)
        self.assertTrue(self.server.activity_ids)
        self.assertFalse(self.apply(), "the account's queue waits")
        accountant = new_test_user(self.env, login="acc", groups="account.group_account_invoice")
        with self.assertRaises(AccessError):
            first.with_user(accountant).action_skip()
        manager = new_test_user(
            self.env, login="chief", groups="account.group_account_manager", company_id=self.env.company.id,
            company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip
        action = first.with_user(manager).action_skip()
        wizard = self.env[action["res_model"]].with_user(manager).with_context(**action["context"])
        wizard.create({"reason": "made by hand"}).action_skip()
        self.assertEqual((first.state, first.message), ("skipped", f"Skipped by {manager.name}: made by hand"))
        self.assertTrue(
            self.apply() and second.state == "waiting", "the queue goes on, ASTPP still has no such account"
        )

    def test_held_accounts_do_not_block_others(self):
        """Other accounts' changes are found, however many wait behind a failure."""
        failed, behind, other = (
            self.queue(12, 50, "topup/1"),
            self.queue(12, 1, "topup/2"),
            self.queue(13, -7, "usage/1"),
        )
        failed.state = "failed"
        with patch("odoo.addons.astpp_billing.models.writeback.astpp_outbox_apply.BATCH", 2):
            self.assertEqual(self.apply(), other)
        self.assertEqual((behind.state, other.state), ("waiting", "applied"))
        account = self.account(12)
        self.assertEqual(account._funds_left()[account], 71, "paid for, although ASTPP has not heard of it")

    def test_old_key_of_another_change_is_not_mistaken(self):
        """An Odoo restored from a backup reuses old ids, but its changes are not mistaken for applied ones."""
        entry = self.queue(12, 50, "topup/1")
        self.mariadb.insert(
            "payment_transaction",
            {"accountid": 12, "amount": 5, "transaction_id": f"ODOO-{entry._written_key()}", "payment_method": "Odoo"},
        )
        self.apply()
        self.assertEqual((entry.state, self.balance(12)), ("waiting", 20))
        self.assertIn("another change", entry.message)

    def test_astpp_does_not_answer(self):
        """This is not the change's fault: it keeps waiting, and a user is alerted once."""
        entry = self.queue(12, 50, "topup/1")
        port, password = self.server.port, self.server.password
        self.server.port = 1
        with self.assertRaises(UnreachableError):
            entry._apply()
        for _time in range(2):
            self.server._tell_unreachable("Nothing answers")
        self.assertEqual((entry.attempts, entry.state, len(self.server.activity_ids)), (0, "waiting", 1))
        self.server.write({"port": port, "password": password})
        self.apply()
        self.assertEqual((entry.state, self.balance(12)), ("applied", 70))

    @mute_logger("odoo.addons.astpp_billing.models.writeback.astpp_outbox_apply")
    def test_one_bad_entry_does_not_end_the_scheduled_action(self):
        """Whatever fails in a change, or in recording its failure, the others are applied and an alert is raised."""
        self.server.write_account = True
        off = AccountSwitches(account_id=13, number="C13", active=False)
        bad = self.outbox._enqueue_changes([Queued(self.account(13), "account/bad", "Bad", [off])])
        bad.rows = [{"table": "accounts", "worth": 5}]
        unnoted, good = self.queue(5, 1, "topup/1"), self.queue(12, 50, "topup/2")
        note = type(unnoted)._note

        def fails(entry, *arguments):
            if entry == unnoted:
                entry.env.cr.execute("SELECT 1 / 0")
            note(entry, *arguments)

        with patch.object(type(unnoted), "_note", fails), mute_logger("odoo.sql_db"), self.enter_registry_test_mode():
            self.env.ref("astpp_billing.ir_cron_apply").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual((bad.state, bad.attempts, unnoted.attempts, good.state), ("waiting", 1, 1, "applied"))
        self.assertIn("KeyError", bad.message)
        self.assertIn("division by zero", unnoted.message)
        unnoted.next_date = False
        self.apply()
        self.assertEqual((unnoted.state, unnoted.message), ("applied", "ASTPP had it already."))
