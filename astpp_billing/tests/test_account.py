from datetime import UTC, datetime

import psycopg2

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestAccount(AstppCommon):
    def test_issuer_is_the_nearest_reseller_with_one(self):
        self.assertEqual(self.customer.issuer_id, self.operator)
        self.assertEqual(self.reseller.issuer_id, self.operator, "a reseller is a customer of the operator")
        self.assertEqual(self.reseller_customer.issuer_id, self.reseller_issuer)
        # A reseller further down without an issuer: the one above issues its invoices.
        below = self.make_account("Sub-reseller", account_type="reseller", parent_id=self.reseller.id)
        leaf = self.make_account("Leaf", parent_id=below.id)
        self.assertEqual(leaf.issuer_id, self.reseller_issuer)
        issuer = self.make_issuer(below, prefix="SUB-")
        self.assertEqual(leaf.issuer_id, issuer)
        issuer.active = False
        self.assertEqual(leaf.issuer_id, self.reseller_issuer)

    def test_issuer_of_waiting_usage_follows(self):
        below = self.make_account("Sub-reseller", account_type="reseller", parent_id=self.reseller.id)
        leaf = self.make_account("Leaf", parent_id=below.id)
        usage = self.load_calls(leaf, "1.00")
        self.assertEqual(usage.issuer_id, self.reseller_issuer)
        issuer = self.make_issuer(below, prefix="SUB-")
        self.assertEqual(usage.issuer_id, issuer)

    def test_tree(self):
        with self.assertRaises(ValidationError):
            self.make_account("Wrong", parent_id=self.customer.id)
        below = self.make_account("Sub-reseller", account_type="reseller", parent_id=self.reseller.id)
        with self.assertRaises(UserError):
            self.reseller.parent_id = below
        self.assertIn(self.reseller_customer, self.env["astpp.account"].search([("id", "child_of", self.reseller.ids)]))

    def test_number_is_unique(self):
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.IntegrityError), self.env.cr.savepoint():
            self.make_account("Twin", number=self.customer.number)
            self.env.flush_all()

    def test_number_of_a_closed_account_is_free(self):
        """ASTPP reuses the number; the closed account cannot be reopened while another one has it."""
        self.customer.status = "closed"
        second = self.make_account("Second", number=self.customer.number)
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.IntegrityError), self.env.cr.savepoint():
            self.customer.status = "active"
            self.env.flush_all()
        second.status = "closed"
        second.flush_recordset()
        self.customer.status = "active"
        self.env.flush_all()

    def test_waiting_calls_go_to_the_live_account(self):
        """Calls that name a number wait for a live account, not for one that was closed before."""
        self.load(self.row(None, accountid="", account_number="N-7", debit="9"))
        usage = self.env["astpp.usage"].search([("account_ref", "=", "N-7")])
        values = [
            {"server_id": self.server.id, "number": "N-7", "partner_id": self.customer.partner_id.id, "status": status}
            for status in ("closed", "active", "closed")
        ]
        accounts = self.env["astpp.account"].create(values)
        self.assertEqual(usage.account_id, accounts[1])

    def test_accounts_with_history_stay(self):
        self.load_calls(self.customer, "1.00")
        with self.assertRaises(UserError):
            self.customer.unlink()
        self.make_account("Unused").unlink()

    def test_billing_day_and_next_invoice(self):
        account = self.make_account(billing_day=31, tz="America/New_York", billed_until="2024-01-31 05:00:00")
        self.assertEqual(account.next_invoice_date.isoformat(), "2024-02-29")
        self.assertEqual(account.next_period_end, datetime(2024, 2, 29, 5))
        with self.assertRaises(psycopg2.IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            account.billing_day = 32
            self.env.flush_all()

    def test_new_account_begins_with_the_running_period(self):
        account = self.make_account(billed_until=False)
        self.assertEqual(account.billed_until.day, 1)
        self.assertGreater(account.next_period_end.replace(tzinfo=UTC), datetime.now(UTC))
