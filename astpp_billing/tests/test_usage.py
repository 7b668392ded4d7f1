import psycopg2
from freezegun import freeze_time

from odoo.exceptions import UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL, mute_logger

from ..models.ledger.astpp_usage_history import HistoryLine
from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestUsage(AstppCommon):
    def test_release_records_the_user(self):
        row = self.row(self.customer)
        self.load(row, row)
        twin = self.env["astpp.usage"].search([("exception", "=", "duplicate"), ("account_id", "=", self.customer.id)])
        self.assertFalse(self.bill(self.customer).move_ids.line_ids & twin.move_line_id)
        twin.action_release()
        self.assertEqual((twin.exception, twin.released_by_id), (False, self.env.user))

    def test_delivered_usage_cannot_be_changed(self):
        usage = self.load_calls(self.customer, "1.00")
        with self.assertRaises(UserError):
            usage.amount = 2
        with self.assertRaises(UserError):
            usage.unlink()
        for vals in ({"exception": "duplicate"}, {"move_line_id": 1}, {"source_key": "x"}, {"released_by_id": 1}):
            with self.subTest(vals), self.assertRaises(UserError):
                usage.write(vals)
            with self.subTest(vals), self.assertRaises(UserError):
                self.env["astpp.usage"].create({"account_id": self.customer.id, "amount": 1, **vals})
        usage.product_id = self.product_a

    def test_charge_by_hand(self):
        charge = self.env["astpp.usage"].create(
            {"account_id": self.customer.id, "date": "2024-01-10", "amount": 25, "description": "Installation"}
        )
        self.assertEqual(
            (charge.source, charge.partner_id, charge.issuer_id), ("manual", self.customer.partner_id, self.operator)
        )
        charge.amount = 30
        self.bill(self.customer)
        self.assertTrue(charge.move_id)
        with self.assertRaises(UserError):
            charge.amount = 1
        with self.assertRaises(UserError):
            charge.unlink()

    def test_database_refuses_invalid_usage(self):
        """The ledger is guarded by the database, not by the care of its callers."""
        usage = self.load_calls(self.customer, "1.00")
        self.bill(self.customer)
        self.env.flush_all()
        line, total = usage.move_line_id, usage.total_id
        for statement in (
            f"DELETE FROM account_move_line WHERE id = {line.id}",
            f"UPDATE astpp_usage_total SET move_id = NULL WHERE id = {total.id}",
            f"UPDATE astpp_usage_total SET exception = 'duplicate' WHERE id = {total.id}",
            f"UPDATE astpp_usage_total SET takes_lines = TRUE WHERE id = {total.id}",
            f"UPDATE astpp_usage SET account_id = NULL WHERE id = {usage.id}",
            f"INSERT INTO astpp_usage (server_id, company_id, source, source_key, account_id, date, charge_type, currency_id)"
            f" SELECT server_id, company_id, source, source_key, account_id, date, charge_type, currency_id"
            f" FROM astpp_usage WHERE id = {usage.id}",
        ):
            with (
                self.subTest(statement),
                mute_logger("odoo.sql_db"),
                self.assertRaises(psycopg2.IntegrityError),
                self.env.cr.savepoint(),
            ):
                self.env.cr.execute(statement)

    def test_usage_belongs_to_the_terms_of_its_date(self):
        """An account moves to another reseller and customer: calls of before stay with the former ones."""
        before = self.load_calls(self.reseller_customer, "1.00")
        former = self.reseller_customer.partner_id
        partner = self.env["res.partner"].create({"name": "New owner"})
        with freeze_time("2024-01-20"):
            self.reseller_customer.write({"parent_id": False, "partner_id": partner.id})
        after = self.load_calls(self.reseller_customer, "2.00", callstart="2024-01-25 10:00:00") - before
        late = self.load_calls(self.reseller_customer, "4.00") - before - after
        for usage in before, late:
            self.assertEqual((usage.issuer_id, usage.partner_id), (self.reseller_issuer, former))
        self.assertEqual((after.issuer_id, after.partner_id), (self.operator, partner))
        moves = self.bill(self.reseller_customer).move_ids
        self.assertEqual(
            {move.astpp_issuer_id: (move.partner_id, move.amount_untaxed) for move in moves},
            {self.reseller_issuer: (former, 5), self.operator: (partner, 2)},
            "a last invoice from the one, and one from the other",
        )
        last = moves.filtered(lambda move: move.astpp_issuer_id == self.reseller_issuer)
        self.assertEqual(last.invoice_line_ids.account_id, self.clearing_account)
        self.assertLedgerHolds()

    def test_corrected_terms_move_unbilled_usage(self):
        billed = self.load_calls(self.customer, "1.00")
        self.bill(self.customer)
        unbilled = self.load_calls(self.customer, "2.00") - billed
        other = self.env["res.partner"].create({"name": "Other"})
        former = self.customer.partner_id
        self.customer.term_ids.filtered(lambda term: not term.elsewhere).partner_id = other
        self.assertEqual((billed.partner_id, unbilled.partner_id, self.customer.partner_id), (former, other, other))
        self.customer.term_ids.filtered(lambda term: not term.elsewhere).elsewhere = True
        self.assertEqual((billed.total_id.state, unbilled.total_id.state), ("billed", "elsewhere"))
        self.assertFalse(self.bill(self.customer, date="2024-03-01").move_ids)

    def test_terms_stay_with_their_account_and_issuer(self):
        """A former issuer cannot be deleted: what is dated then and comes late would have none."""
        with freeze_time("2024-01-10"):
            self.load_calls(self.reseller_customer, "1", callstart="2024-01-05 10:00:00")
            self.reseller_customer.parent_id = False
        self.env["astpp.usage"]._remove(SQL("u.account_id = %s", self.reseller_customer.id), ("id",))
        with self.assertRaisesRegex(UserError, "Archive"):
            self.reseller_issuer.unlink()
        late = self.load_calls(self.reseller_customer, "2", callstart="2024-01-06 10:00:00")
        self.assertEqual(late.issuer_id, self.reseller_issuer)
        accountant = new_test_user(self.env, login="terms.accountant", groups="account.group_account_invoice")
        with self.assertRaises(UserError):
            self.customer.term_ids[:1].with_user(accountant).account_id = self.reseller_customer

    def test_mode_of_the_date(self):
        """Postpaid to prepaid and back: each call is billed, or paid live, by the mode of its own date."""
        with freeze_time("2024-01-10"):
            self.load_calls(self.customer, "1", callstart="2024-01-05 10:00:00")
            self.customer.payment_mode = "prepaid"
        with freeze_time("2024-01-20"):
            self.load_calls(self.customer, "2", callstart="2024-01-15 10:00:00")
            self.customer.payment_mode = "postpaid"
        usage = self.load_calls(self.customer, "4", callstart="2024-01-25 10:00:00")
        usage |= self.load_calls(self.customer, "8", callstart="2024-01-15 11:00:00")
        usage |= self.load_calls(self.customer, "16", callstart="2024-01-05 11:00:00")
        self.assertEqual(sum(usage.filtered(lambda use: use.total_id.state == "prepaid").mapped("amount")), 10)
        self.customer.billed_until = "2024-01-01"
        self.assertEqual(self.bill(self.customer).move_ids.amount_untaxed, 21)

    def test_base_currency_stays_once_there_is_usage(self):
        other = self.env["res.currency"].search([("id", "!=", self.server.currency_id.id)], limit=1)
        self.load_calls(self.customer, "1")
        with self.assertRaisesRegex(UserError, "base currency"):
            self.server.currency_id = other

    def test_billed_elsewhere(self):
        """What somebody else invoiced is history: it is on no invoice, and waits for none."""
        account = self.make_account(billed_until="2024-01-15 00:00:00", billing_day=15)
        before = self.load_calls(account, "1", callstart="2024-01-14 23:59:59")
        after = self.load_calls(account, "2", callstart="2024-01-15 00:00:00") - before
        self.assertEqual((before.total_id.state, after.total_id.state), ("elsewhere", "open"))
        self.assertEqual(account.unbilled_amount, 2)
        account.billed_until = "2023-12-15 00:00:00"
        self.assertEqual(before.total_id.state, "open", "corrected while nothing was billed")
        account.billed_until = "2024-01-15 00:00:00"
        move = self.bill(account, date="2024-02-15", invoice_date="2024-02-15").move_ids
        self.assertEqual(move.amount_untaxed, 2)
        self.assertEqual(before.move_id, self.env["account.move"])

    def test_take_over_of_several_accounts(self):
        """One date for all that are ticked, as the list writes it; accounts with an invoice here keep their usage."""
        accounts = self.make_account() | self.make_account() | self.customer
        for account in accounts:
            self.load_calls(account, "1", callstart="2024-01-14 23:00:00")
            self.load_calls(account, "2", callstart="2024-01-15 01:00:00")
        self.bill(self.customer)
        accounts.write({"billed_until": "2024-01-15 00:00:00"})
        self.assertEqual(accounts.mapped("elsewhere_amount"), [1, 1, 0])
        self.assertEqual(accounts.mapped("unbilled_amount"), [2, 2, 0])

    def test_corrected_terms_are_in_the_chatter(self):
        reader = self.env["res.partner"].create({"name": "Next Owner"})
        self.load_calls(self.customer, "1")
        self.customer.partner_id = reader
        self.customer.term_ids.sorted("date_from")[-1:].date_from = "2024-01-05"
        message = self.customer.message_ids[0].body
        self.assertIn("Terms were corrected", message)
        self.assertIn("Next Owner", message)
        self.assertIn("From the beginning", message)

    def test_usage_follows_merged_contacts(self):
        usage = self.load_calls(self.customer, "1.00")
        keeper = self.env["res.partner"].create({"name": "Keeper"})
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._merge((self.customer.partner_id | keeper).ids, keeper)
        self.assertEqual((usage.partner_id, self.customer.partner_id), (keeper, keeper))

    def test_charge_by_hand_follows_its_account(self):
        """After moving to another account it has that account's payment mode and issuer."""
        charge = self.env["astpp.usage"].create({"account_id": self.customer.id, "date": "2024-01-10", "amount": 25})
        prepaid = self.make_account("Prepaid", payment_mode="prepaid", parent_id=self.reseller.id)
        charge.account_id = prepaid
        self.assertEqual(
            (charge.prepaid, charge.partner_id, charge.issuer_id), (True, prepaid.partner_id, self.reseller_issuer)
        )
        charge.account_id = self.customer
        self.assertEqual(
            (charge.prepaid, charge.partner_id, charge.issuer_id), (False, self.customer.partner_id, self.operator)
        )
        self.assertEqual(self.bill(self.customer).move_ids.amount_untaxed, 25)

    def test_charge_by_hand_keeps_its_currency(self):
        """50 USD do not become 50 EUR."""
        euro = self.setup_other_currency("EUR")
        other = self.env["astpp.server"].create({"name": "Euro Switch", "currency_id": euro.id})
        account = self.make_account("Euro", server_id=other.id)
        charge = self.env["astpp.usage"].create({"account_id": self.customer.id, "date": "2024-01-10", "amount": 50})
        with self.assertRaisesRegex(UserError, "enter its amount anew"):
            charge.account_id = account
        charge.write({"account_id": account.id, "amount": 45})
        self.assertEqual((charge.currency_id, charge.server_id, charge.amount), (euro, other, 45))
        with self.assertRaisesRegex(UserError, "needs an account"):
            charge.account_id = False
        company = self.setup_other_company(name="Stranger Ltd")["company"]
        stranger = self.make_account(
            server_id=self.env["astpp.server"].create({"name": "Strange", "company_id": company.id}).id
        )
        with self.assertRaisesRegex(UserError, "another company"):
            charge.account_id = stranger

    def test_history_is_read_by_name(self):
        usage, labels = self.env["astpp.usage"], self.env["astpp.usage"]._history_labels()
        charge = usage.create(
            {"account_id": self.customer.id, "amount": -2.5, "charge_type": "credit", "date": "2024-01-10"}
        )
        usage.flush_model()
        self.env.cr.execute(usage._history_query([("id", "=", charge.id)]))
        self.assertEqual(tuple(column.name for column in self.env.cr.description), HistoryLine._fields)
        self.assertEqual(len(usage._history_headings()), len(HistoryLine._fields))
        line = HistoryLine.of(self.env.cr.fetchone(), *labels)
        self.assertEqual((line.charge_type, line.direction, line.debit, line.credit), ("Credits", None, 0, 2.5))
        self.assertEqual(usage._history_lines([("id", "=", charge.id)]), [line])
