from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..connector.changes import AccountSwitches
from ..connector.database import UnreachableError
from ..connector.writer import Writer
from ..models.writeback.astpp_outbox import Queued
from .sync_common import SyncCommon

WRITER = ("astpp_writer", "writer's secret")


@tagged("post_install", "-at_install")
class TestOutbox(SyncCommon):
    """What Odoo decides reaches ASTPP's balances, exactly once."""

    def setUp(self):
        super().setUp()
        self.mariadb.make_user(
            *WRITER, "SELECT ON astpp.*", "UPDATE (balance) ON astpp.accounts", "INSERT ON astpp.payment_transaction",
            "INSERT ON astpp.invoice_details",
        )  # fmt: skip
        self.mariadb.execute("UPDATE accounts SET balance = 100, credit_limit = 500 WHERE id = 13")
        self.mariadb.execute("UPDATE accounts SET balance = 20, posttoexternal = 0 WHERE id = 12")
        self.sync()
        self.server.write({"user": WRITER[0], "password": WRITER[1], "write_credit": True, "write_charge": True})
        self.outbox = self.env["astpp.outbox"].sudo()

    def queue(self, account_id, amount, key):
        return self.outbox._enqueue_balances([(self.account(account_id), amount, key, "Something")])

    def apply(self):
        entries = self.outbox._next_entries(self.server)
        for entry in entries:
            entry._apply()
        return entries

    def balance(self, account_id):
        return float(self.mariadb.execute("SELECT balance FROM accounts WHERE id = %s", (account_id,))[0][0])

    def test_signs_and_rows(self):
        """A prepaid balance is money, a postpaid one is debt; both get the rows that ASTPP's screens show."""
        topup = self.queue(12, 50, "topup/1")
        charge = self.queue(13, -30, "usage/1/period/1")
        self.apply()
        self.assertEqual((self.balance(12), self.balance(13)), (70, 130))
        self.assertEqual((topup.state, topup.balance_before, topup.balance_after), ("applied", 20, 70))
        self.assertEqual((charge.balance_before, charge.balance_after), (100, 130))
        rows = self.mariadb.execute(
            "SELECT accountid, charge_type, debit, credit, before_balance, after_balance FROM invoice_details ORDER BY id"
        )
        self.assertEqual([tuple(map(str, row)) for row in rows], [
            ("12", "REFILL", "0.00000", "50.00000", "20.00000", "70.00000"),
            ("13", "POSTCHARGE", "30.00000", "0.00000", "400.00000", "370.00000"),
        ])  # fmt: skip
        self.assertEqual(self.account(12).available_funds, 70)
        self.sync()
        self.assertFalse(self.usage(("source", "=", "charge")), "what Odoo wrote does not come back")
        self.assertEqual(self.account(12)._funds_left()[self.account(12)], 70)

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

    def test_switches_and_rights(self):
        self.queue(12, 50, "topup/1")
        self.server.write_credit = False
        self.assertFalse(self.apply())
        self.env["ir.config_parameter"].sudo().set_param("database.is_neutralized", True)
        self.server.write_credit = True
        self.apply()
        self.assertEqual(self.balance(12), 20, "a copy writes nothing")
        self.env["ir.config_parameter"].sudo().set_param("database.is_neutralized", False)
        self.server.action_test_connection()
        self.assertNotIn("lacks", self.server.check_report)
        self.mariadb.execute(f"REVOKE INSERT ON astpp.invoice_details FROM '{WRITER[0]}'@'%'")
        self.server.action_test_connection()
        self.assertIn("lacks INSERT on the table invoice_details", self.server.check_report)

    def test_paid_invoice(self):
        self.server.write_payment = True
        account = self.account(13)
        account.write({"billed_until": "2024-01-01 00:00:00", "tz": "UTC"})
        self.env["astpp.usage"].create({"account_id": account.id, "amount": 40, "date": "2024-01-10 00:00:00"})
        move = self.bill(account).move_ids
        register = self.env["account.payment.register"].with_context(active_model="account.move", active_ids=move.ids)
        register.create({})._create_payments()
        entry = self.outbox.search([("kind", "=", "payment")])
        self.assertEqual((entry.amount, entry.account_id), (40, account))
        move._astpp_queue_payments()
        self.assertEqual(len(self.outbox.search([("kind", "=", "payment")])), 1)
        self.apply()
        self.assertEqual(self.balance(13), 60)

    def test_paid_in_parts(self):
        """Each part lowers what is owed; a payment that is undone raises it again."""
        self.server.write_payment = True
        account = self.account(13)
        account.write({"billed_until": "2024-01-01 00:00:00", "tz": "UTC", "tax_ids": self.tax_sale_a.ids})
        self.env["astpp.usage"].create({"account_id": account.id, "amount": 40, "date": "2024-01-10 00:00:00"})
        move = self.bill(account).move_ids
        self.assertEqual(move.amount_total, 46)
        register = self.env["account.payment.register"].with_context(active_model="account.move", active_ids=move.ids)
        payments = self.env["account.payment"]
        for amount in (23, 11.5):
            payments |= register.create({"amount": amount})._create_payments()
        entries = self.outbox.search([("kind", "=", "payment")], order="id")
        self.assertEqual(entries.mapped("amount"), [20, 10])
        self.apply()
        self.assertEqual(self.balance(13), 70)
        payments[0].move_id.line_ids.remove_move_reconcile()
        self.apply()
        self.assertEqual(self.balance(13), 90)
        self.assertEqual(entries.move_id, move)

    def test_part_paid_before_payments_were_written(self):
        """The first part was entered in ASTPP by hand, so only the second one is queued."""
        account = self.account(13)
        account.write({"billed_until": "2024-01-01 00:00:00", "tz": "UTC", "tax_ids": False})
        self.env["astpp.usage"].create({"account_id": account.id, "amount": 40, "date": "2024-01-10 00:00:00"})
        move = self.bill(account).move_ids
        register = self.env["account.payment.register"].with_context(active_model="account.move", active_ids=move.ids)
        register.create({"amount": move.amount_total / 4})._create_payments()
        entries = self.outbox.search([("kind", "=", "payment")])
        entries.flush_recordset()
        self.env.cr.execute("UPDATE astpp_outbox SET create_date = create_date - interval '1 minute'")
        entries.invalidate_recordset()
        self.server.write_payment = True
        register.create({})._create_payments()
        entries = self.outbox.search([("kind", "=", "payment")], order="id")
        self.assertEqual((entries.mapped("amount"), entries.mapped("state")), ([10, 30], ["skipped", "waiting"]))

    def test_nothing_from_before_it_was_switched_on(self):
        """What was done before was entered in ASTPP by hand."""
        entry = self.queue(12, 50, "topup/1")
        self.server.write_from = self.env.cr.now().replace(microsecond=0) + timedelta(days=1)
        self.assertFalse(self.apply())
        self.server.action_preview_outbox()
        preview = self.env["astpp.outbox.preview"].search([("outbox_id", "=", entry.id)])
        self.assertIn("from before", preview.note)
        account = self.account(12)
        self.assertEqual(account._funds_left()[account], 20, "ASTPP's balance has it")

    def test_kind_switched_on_later(self):
        """Earlier changes of the kind were made in ASTPP by hand; after a pause, nothing is lost."""
        self.server.write_from -= timedelta(days=2)
        old, other = self.queue(13, 40, "payment/1/1"), self.queue(12, 50, "topup/1")
        self.assertEqual((old.state, other.state), ("off", "waiting"))
        (old | other).flush_recordset()
        self.env.cr.execute("UPDATE astpp_outbox SET create_date = create_date - interval '1 day'")
        (old | other).invalidate_recordset()
        self.server.write_payment = True
        new = self.queue(13, 7, "payment/2/1")
        self.assertEqual((old.state, other.state, new.state), ("skipped", "waiting", "waiting"))
        self.apply()
        self.server.write_payment = False
        paused = self.queue(13, 3, "payment/3/1")
        self.assertEqual((paused.state, self.server.outbox_count), ("off", 0), "noted, not queued")
        paused.flush_recordset()
        self.env.cr.execute("UPDATE astpp_outbox SET create_date = create_date - interval '1 minute'")
        self.server.write_payment = True
        self.assertEqual((new.state, paused.state), ("applied", "waiting"))

    def test_nothing_is_queued_while_its_kind_is_off(self):
        """The change is recorded only: not tried when another kind is switched on, and not counted as waiting."""
        self.server.write({"write_credit": False, "write_charge": False})
        entries = self.queue(12, 50, "topup/1") | self.queue(13, -5, "usage/1") | self.queue(13, 7, "payment/1/1")
        self.assertEqual((set(entries.mapped("state")), self.server.outbox_count), ({"off"}, 0))
        self.server.write_account = True
        self.assertFalse(self.apply())
        self.server.write({"host": False, "write_credit": True})
        self.assertEqual(self.queue(12, 1, "topup/2").state, "off", "there is no ASTPP to write to")

    def test_earlier_changes_are_written_on_request(self):
        """Setting ``write_from`` back queues what was recorded since then."""
        self.server.write({"write_credit": False, "write_charge": False})
        older, newer = self.queue(12, 50, "topup/1"), self.queue(12, 7, "topup/2")
        (older | newer).flush_recordset()
        query = "UPDATE astpp_outbox SET create_date = create_date - %s * interval '1 day' WHERE id = %s"
        self.env.cr.execute(query, (9, older.id))
        self.env.cr.execute(query, (1, newer.id))
        (older | newer).invalidate_recordset()
        since = self.server.write_from - timedelta(days=2)
        self.server.write({"write_credit": True, "write_from": since})
        self.assertEqual((older.state, newer.state), ("off", "waiting"))
        self.apply()
        self.assertEqual(self.balance(12), 27)

    def test_funds_include_changes_made_by_hand(self):
        """A recorded change counts until ASTPP's balance is read again, which shows whether somebody entered it."""
        self.server.write_credit = False
        account = self.account(12)
        self.assertEqual(account._funds_left()[account], 20)
        entry = self.queue(12, 50, "topup/1")
        entry.flush_recordset()
        self.env.cr.execute("UPDATE astpp_sync_step SET date = date - interval '1 minute'")
        self.env.invalidate_all()
        self.assertEqual(account._funds_left()[account], 70, "paid for a moment ago")
        self.mariadb.execute("UPDATE accounts SET balance = 70 WHERE id = 12")
        self.env.cr.execute("UPDATE astpp_outbox SET create_date = create_date - interval '1 minute'")
        self.env.invalidate_all()
        self.sync()
        self.assertEqual(account._funds_left()[account], 70, "counted once")

    def test_check_warns_of_unwritten_renewals(self):
        """ASTPP does not learn of Odoo's charges; the connection test warns what this means for prepaid customers."""
        self.server.renewals_by = "odoo"
        self.server.action_test_connection()
        self.assertNotIn("go down only where", self.server.check_report)
        self.server.write_charge = False
        self.server.action_test_connection()
        self.assertIn("go down only where", self.server.check_report)

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

    def test_users_without_rights_cause_changes(self):
        """Users who end an order or register a payment need no access to servers."""
        self.server.write_account = True
        user = new_test_user(self.env, login="nobody", groups="base.group_user")
        account = self.account(13).with_user(user)
        off = AccountSwitches(account_id=13, number="C13", active=False)
        self.outbox.with_user(user)._enqueue_changes([Queued(account, "account/1", "Off", [off])])
        self.outbox.with_user(user)._enqueue_balances([(account, 5, "topup/9", "Money")])
        self.assertEqual(len(self.outbox.search([("account_id", "=", account.id)])), 2)

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

    def test_charges_left_out(self):
        self.server.write({"write_payment": True, "write_charge": False})
        self.server.action_test_connection()
        self.assertIn("come out too low", self.server.check_report)
