from datetime import date

from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestBillingBooks(AstppCommon):
    """Lock dates, hashes and the audit trail also work on invoices of usage."""

    def test_locked_period(self):
        """Odoo books an invoice of a locked period after the lock date; its invoice date stays."""
        self.env.company.fiscalyear_lock_date = date(2024, 2, 29)
        self.load_calls(self.customer, "1")
        move = self.bill(self.customer).move_ids
        self.assertEqual((move.state, move.invoice_date), ("posted", date(2024, 2, 1)))
        self.assertGreater(move.date, date(2024, 2, 29))
        self.assertLedgerHolds()

    def test_invoice_in_a_period_locked_later(self):
        usage = self.load_calls(self.customer, "1")
        move = self.bill(self.customer).move_ids
        self.env.company.fiscalyear_lock_date = date(2024, 12, 31)
        for change in (move.button_draft, move.button_cancel):
            with self.assertRaises(UserError):
                change()
        self.assertEqual(usage.move_id, move)
        self.assertEqual(self.customer.billed_until.month, 2)

    def test_hashed_journal(self):
        self.operator.journal_id.restrict_mode_hash_table = True
        accounts = [self.customer, *(self.make_account(f"Hashed {n}") for n in range(3))]
        for account in accounts:
            self.load_calls(account, "1")
        moves = self.bill(*accounts).move_ids
        # Odoo has hashed the entries on posting.
        self.assertTrue(all(moves.mapped("inalterable_hash")))
        report = self.env.company._check_hash_integrity()
        name = self.operator.journal_id.name
        [found] = [line for line in report["results"] if line["journal_name"].startswith(name)]
        self.assertEqual(found["status"], "verified")
        with self.assertRaises(UserError):
            moves[0].button_draft()
        self.assertFalse(self.env["astpp.violation"]._check())

    def test_gaps_are_flagged(self):
        """Odoo flags a missing number, on the number after it only."""
        accounts = [self.customer, *(self.make_account(f"Gap {n}") for n in range(3))]
        for account in accounts:
            self.load_calls(account, "1")
        moves = self.bill(*accounts).move_ids.sorted("sequence_number")
        self.assertFalse(any(moves.mapped("made_sequence_gap")))
        moves[1].button_draft()
        moves[1].with_context(force_delete=True).unlink()
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual((moves - moves[1]).mapped("made_sequence_gap"), [False, True, False])

    def test_audit_trail(self):
        self.env.company.restrictive_audit_trail = True
        usage = self.load_calls(self.customer, "1")
        # Tests disable tracking by default.
        runs = self.env(context={"allowed_company_ids": self.env.company.ids})["astpp.billing.run"]
        run = runs.create({"date": "2024-02-01", "invoice_date": "2024-02-01", "account_ids": self.customer.ids})
        run.action_run()
        move = run.move_ids
        self.assertIn(run.name, move.message_ids.body)
        self.env.flush_all()
        self.env.cr.precommit.run()
        move.button_draft()
        with self.assertRaises(UserError):
            move.unlink()
        self.env.flush_all()
        self.env.cr.precommit.run()
        self.assertIn("state", move.message_ids.tracking_value_ids.field_id.mapped("name"))
        self.assertEqual(usage.move_id, move)

    def test_missing_receivable_account_fails_only_its_account(self):
        others = [self.make_account(f"Fine {n}") for n in range(2)]
        for account in (self.customer, *others):
            self.load_calls(account, "1")
        archived = self.company_data["default_account_receivable"].copy({"code": "ARCH1"})
        self.customer.partner_id.property_account_receivable_id = archived
        archived.active = False
        run = self.bill(self.customer, *others)
        self.assertEqual(run.result_ids.filtered(lambda result: result.state == "failed").account_id, self.customer)
        self.assertEqual(len(run.move_ids), 2)
