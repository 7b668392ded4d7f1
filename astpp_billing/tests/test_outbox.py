from datetime import timedelta

from odoo.tests import new_test_user, tagged

from ..connector.changes import AccountSwitches
from ..models.writeback.astpp_outbox import Queued
from .outbox_common import WRITER, OutboxCommon


@tagged("post_install", "-at_install")
class TestOutbox(OutboxCommon):
    """What Odoo decides reaches ASTPP's balances, exactly once."""

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

    def test_users_without_rights_cause_changes(self):
        """Users who end an order or register a payment need no access to servers."""
        self.server.write_account = True
        user = new_test_user(self.env, login="nobody", groups="base.group_user")
        account = self.account(13).with_user(user)
        off = AccountSwitches(account_id=13, number="C13", active=False)
        self.outbox.with_user(user)._enqueue_changes([Queued(account, "account/1", "Off", [off])])
        self.outbox.with_user(user)._enqueue_balances([(account, 5, "topup/9", "Money")])
        self.assertEqual(len(self.outbox.search([("account_id", "=", account.id)])), 2)

    def test_charges_left_out(self):
        self.server.write({"write_payment": True, "write_charge": False})
        self.server.action_test_connection()
        self.assertIn("come out too low", self.server.check_report)
