from datetime import date, datetime
from unittest.mock import patch

from psycopg2.errors import UniqueViolation

from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, new_test_user, tagged
from odoo.tools import mute_logger

from ..connector.database import ConnectorError
from .sync_common import SyncCommon


@tagged("post_install", "-at_install")
class TestOpening(SyncCommon):
    """What is open in ASTPP at the take-over begins the customers' balances, in one entry that somebody has reviewed."""

    def setUp(self):
        super().setUp()
        self.server.sync_from = datetime(2024, 3, 1)
        self.mariadb.execute("UPDATE accounts SET posttoexternal = 0, balance = 12.5 WHERE id = 12")
        self.invoice(1, "000041", "2024-02-01", {"STANDARD": 80, "TAX": 16})
        self.invoice(2, "000042", "2024-03-01", {"STANDARD": 50, "INVPAY": -20})
        self.invoice(3, "000043", "2024-02-01", {"STANDARD": 30, "INVPAY": -30})
        self.invoice(4, "000044", "2024-02-01", {"STANDARD": 7}, confirm=0)
        self.invoice(5, "000045", "2024-02-01", {"STANDARD": 7}, is_deleted=1)
        self.invoice(6, "000046", "2024-02-01", {"REFILL": 5}, accountid=12)

    def invoice(self, key, number, day, lines, **values):
        account = values.get("accountid", 13)
        head = {"id": key, "prefix": "INV_", "number": number, "accountid": account, "confirm": 1,
                "generate_date": f"{day} 00:00:01", "due_date": f"{day[:8]}15 23:59:59", "is_deleted": 0} | values  # fmt: skip
        self.mariadb.insert("invoices", head)
        self.lines(key, account, lines)

    def lines(self, invoice, account, lines):
        self.mariadb.insert(
            "invoice_details",
            *({"accountid": account, "invoiceid": invoice, "charge_type": kind, "debit": max(amount, 0),
               "credit": max(-amount, 0), "created_date": "2024-02-01 00:00:01"} for kind, amount in lines.items()),
        )  # fmt: skip

    def read_openings(self):
        self.sync()
        self.server.action_read_openings()
        return self.openings()

    def openings(self):
        return self.env["astpp.opening"].search([("server_id", "=", self.server.id)], order="kind desc, astpp_id")

    def enter(self, openings, **values):
        wizard = self.env["astpp.opening.enter"].create({"opening_ids": openings.ids, "date": "2024-03-05"} | values)
        return self.env["account.move"].browse(wizard.action_enter()["res_id"])

    def advance(self):
        self.operator.advance_account_id = self.env["account.account"].create(
            {"name": "Customer Advances", "code": "ASTPP212", "account_type": "liability_current"}
        )

    def test_what_is_read(self):
        openings = self.read_openings()
        self.assertEqual(
            [(o.kind, o.name, o.date, o.date_due, o.total_amount, o.paid_amount, o.amount) for o in openings],
            [
                ("invoice", "INV_000041", date(2024, 2, 1), date(2024, 2, 15), 96, 0, 96),
                ("invoice", "INV_000042", date(2024, 3, 1), date(2024, 3, 15), 50, 20, 30),
                ("funds", "Credit of account C12", False, False, 0, 0, 12.5),
            ],
        )
        self.assertEqual(openings.mapped("state"), ["new"] * 3)
        self.assertEqual(openings.account_id, self.account(12) | self.account(13))

    def test_read_again(self):
        first, second, funds = self.read_openings()
        second.write({"amount": 25, "note": "5 were promised back"})
        self.lines(1, 13, {"INVPAY": -16})
        self.lines(2, 13, {"INVPAY": -10})
        self.mariadb.execute("UPDATE accounts SET balance = 0 WHERE id = 12")
        self.server.action_read_openings()
        self.assertFalse(funds.exists(), "nothing is left")
        self.assertEqual((first.amount, first.astpp_amount), (80, 80))
        self.assertEqual((second.amount, second.astpp_amount), (25, 20), "what was corrected here stays")

    def test_unreadable_row_is_not_paid(self):
        first, *_others = self.read_openings()
        first.write({"amount": 90, "left_out": True, "note": "disputed"})
        self.mariadb.execute("UPDATE invoices SET due_date = '2024-00-10 10:00:00' WHERE id = 1")
        self.server.action_read_openings()
        self.assertEqual((first.exists().amount, first.state), (90, "left_out"))

    def test_entry(self):
        self.advance()
        openings = self.read_openings()
        entry = self.enter(openings)
        self.assertEqual((entry.state, entry.date), ("draft", date(2024, 3, 5)))
        self.assertEqual(openings.mapped("state"), ["entered"] * 3)
        receivable = self.account(13).partner_id.property_account_receivable_id
        owed = entry.line_ids.filtered(lambda line: line.account_id == receivable)
        self.assertEqual(
            [(line.name, line.date_maturity, line.balance, line.partner_id) for line in owed],
            [("INV_000041", date(2024, 2, 15), 96, self.account(13).partner_id),
             ("INV_000042", date(2024, 3, 15), 30, self.account(13).partner_id)],
        )  # fmt: skip
        advance = entry.line_ids.filtered(lambda line: line.account_id == self.operator.advance_account_id)
        self.assertEqual((advance.balance, advance.partner_id), (-12.5, self.account(12).partner_id))
        against = entry.line_ids - owed - advance
        self.assertEqual(sorted(against.mapped("balance")), [-126, 12.5])
        self.assertEqual(against.account_id, self.env.company.get_unaffected_earnings_account())
        with self.assertRaisesRegex(UserError, "None of these"):
            self.enter(openings)
        with self.assertRaisesRegex(UserError, "on the entry"):
            openings[0].amount = 1

    def test_entry_that_is_deleted_or_cancelled(self):
        openings = self.read_openings().filtered(lambda o: o.kind == "invoice")
        self.enter(openings).unlink()
        self.assertEqual(openings.mapped("state"), ["new"] * 2)
        entry = self.enter(openings)
        entry.button_cancel()
        self.assertEqual(openings.mapped("state"), ["new"] * 2)
        self.enter(openings)
        with self.assertRaises(UniqueViolation), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            entry.button_draft()
            self.env.flush_all()

    def test_paid_in_astpp_after_it_was_entered(self):
        openings = self.read_openings().filtered(lambda o: o.kind == "invoice")
        self.enter(openings)
        self.lines(1, 13, {"INVPAY": -96})
        self.server.action_read_openings()
        self.assertEqual(openings.mapped("difference"), [-96, 0])

    def test_left_out(self):
        openings = self.read_openings().filtered(lambda o: o.kind == "invoice")
        openings[0].action_leave_out()
        entry = self.enter(openings)
        self.assertEqual(entry.line_ids.astpp_opening_id, openings[1])
        self.assertEqual(openings[0].state, "left_out")

    def test_advances_need_an_account(self):
        with self.assertRaisesRegex(UserError, "no account for customer advances"):
            self.enter(self.read_openings())

    def test_statement_begins_with_it(self):
        openings = self.read_openings().filtered(lambda o: o.kind == "invoice")
        self.enter(openings).action_post()
        account = self.account(13)
        account.cycle_unit = "month"
        self.env["astpp.usage"].create({"account_id": account.id, "amount": 10, "date": "2024-03-10 10:00:00"})
        self.bill(account, date="2024-04-01", invoice_date="2024-04-01")
        invoice = account.move_ids
        statement = invoice._astpp_statement()
        self.assertEqual((statement["before"], statement["this"], statement["due"]), (126, 11.5, 137.5))

    @freeze_time("2024-03-20 10:00:00")
    def test_reminders(self):
        openings = self.read_openings().filtered(lambda o: o.kind == "invoice")
        notices = self.env["astpp.notice"]
        notices._note_overdue_openings()
        self.assertFalse(notices.search([("opening_id", "in", openings.ids)]), "nothing is posted")
        entry = self.enter(openings)
        entry.action_post()
        notices._note_overdue_openings()
        notices._note_overdue_openings()
        noted = notices.search([("opening_id", "in", openings.ids)], order="opening_id")
        self.assertEqual(
            [(notice.opening_id, notice.kind, notice.date) for notice in noted],
            [(openings[0], "overdue", datetime(2024, 3, 16)),
             (openings[1], "overdue", datetime(2024, 3, 18))],
        )  # fmt: skip
        for notice in noted:
            notice.sudo()._make_mail()
        self.assertEqual(set(noted.mapped("state")), {"queued"})
        mail = noted[0].mail_id
        self.assertEqual(mail.subject, "Invoice INV_000041 is overdue")
        self.assertIn("96.00", mail.body_html)
        self.assertIn("02/15/2024", mail.body_html)
        self.assertEqual(mail.recipient_ids, self.account(13).partner_id)

    @freeze_time("2024-03-20 10:00:00")
    def test_one_reminder_of_all_opening_items(self):
        self.operator.reminders = "customer"
        openings = self.read_openings().filtered(lambda o: o.kind == "invoice")
        self.enter(openings).action_post()
        self.env["astpp.notice"]._note_overdue_openings()
        noted = self.env["astpp.notice"].search([("opening_id", "in", openings.ids)])
        self.assertEqual(noted.opening_id, openings[0])
        noted.sudo()._make_mail()
        self.assertIn("INV_000042", noted.mail_id.body_html)

    @freeze_time("2024-03-20 10:00:00")
    def test_credit_pays_the_oldest_first(self):
        openings = self.read_openings().filtered(lambda o: o.kind == "invoice")
        self.enter(openings).action_post()
        payment = self.env["account.payment"].create(
            {
                "partner_id": self.account(13).partner_id.id,
                "amount": 100,
                "date": "2024-03-18",
                "payment_type": "inbound",
            }
        )
        payment.action_post()
        if payment.move_id:
            self.env["astpp.notice"]._note_overdue_openings()
            noted = self.env["astpp.notice"].search([("opening_id", "in", openings.ids)])
            self.assertEqual(noted.opening_id, openings[1], "the first is covered")

    def test_resellers_customers_owe_the_reseller(self):
        self.mariadb.execute("UPDATE accounts SET reseller_id = 5 WHERE id = 13")
        self.sync()
        clearing = self.env["account.account"].create(
            {"name": "Clearing", "code": "ASTPP299", "account_type": "liability_current"}
        )
        reseller = self.env["astpp.issuer"].create(
            {"name": "Upper", "account_id": self.account(5).id, "prefix": "UP-", "clearing_account_id": clearing.id}
        )
        openings = self.read_openings().filtered(lambda o: o.kind == "invoice")
        self.assertEqual(openings.issuer_id, reseller)
        entry = self.enter(openings)
        self.assertEqual(entry.line_ids.filtered(lambda line: line.account_id == clearing).balance, -126)

    def test_who_may(self):
        openings = self.read_openings()
        reader = new_test_user(self.env, login="opening-reader", groups="account.group_account_readonly")
        with self.assertRaises(AccessError):
            openings[0].with_user(reader).amount = 1
        accountant = new_test_user(self.env, login="opening-accountant", groups="account.group_account_invoice")
        openings[0].with_user(accountant).amount = 90
        with self.assertRaises(AccessError):
            openings[0].with_user(accountant).astpp_amount = 90
        with self.assertRaises(AccessError):
            self.server.with_user(accountant).action_read_openings()

    def test_account_that_is_not_here(self):
        self.sync()
        self.mariadb.insert("accounts", {"id": 99, "number": "C99", "posttoexternal": 1})
        self.invoice(9, "000099", "2024-03-01", {"STANDARD": 5}, accountid=99)
        action = self.server.action_read_openings()
        self.assertIn("INV_000099", action["params"]["message"])
        self.assertEqual(len(self.openings()), 3)

    def test_before_the_first_synchronisation(self):
        with self.assertRaisesRegex(UserError, "Synchronise first"):
            self.server.action_read_openings()

    def test_astpp_does_not_answer(self):
        self.sync()
        refused = patch.object(type(self.server), "_open", side_effect=ConnectorError("Nothing answers."))
        with refused, self.assertRaisesRegex(UserError, "Nothing answers"):
            self.server.action_read_openings()


@tagged("post_install", "-at_install")
class TestTakeOver(SyncCommon):
    """Odoo bills each account from where ASTPP's own invoices end, or says that it does not."""

    def setUp(self):
        super().setUp()
        self.server.sync_from = datetime(2024, 3, 1)
        self.mariadb.execute("UPDATE accounts SET last_bill_date = '2024-03-14 23:59:59' WHERE id IN (5, 13)")

    def invoiced(self, account, first, last, **values):
        self.mariadb.insert(
            "invoices",
            {"prefix": "INV_", "number": "1", "accountid": account, "confirm": 1, "from_date": f"{first} 00:00:01",
             "to_date": f"{last} 23:59:59", "due_date": f"{last} 23:59:59"} | values,
        )  # fmt: skip

    @freeze_time("2024-03-20 10:00:00")
    def test_invoices_count_more_than_the_date_of_the_last_run(self):
        """The cron moves `last_bill_date` of accounts that are not due: what was used since is on no invoice."""
        self.invoiced(13, "2024-02-05", "2024-03-04")
        self.invoiced(13, "2024-03-05", "2024-03-17", is_deleted=1)
        self.invoiced(13, "2024-03-05", "2024-03-18", generate_type=1)
        self.sync()
        self.assertEqual(self.account(13).billed_until, datetime(2024, 3, 5))
        self.assertEqual(self.account(5).billed_until, datetime(2024, 3, 15), "no invoice says otherwise")
        self.assertEqual((self.account(13) | self.account(5)).mapped("take_over"), ["fits", "fits"])
        self.assertFalse(self.step("accounts").message)

    @freeze_time("2024-03-20 10:00:00")
    def test_gap_and_overlap_are_told(self):
        self.invoiced(13, "2024-01-05", "2024-02-04")
        self.sync()
        account, other = self.account(13), self.account(5)
        self.assertEqual(
            (account.astpp_billed_until, account.billed_from), (datetime(2024, 2, 5), datetime(2024, 3, 1))
        )
        self.assertEqual(account.take_over, "gap")
        self.assertIn("C13", self.step("accounts").message)
        self.assertIn("1 accounts", self.step("accounts").message)
        domain = [("server_id", "=", self.server.id)]
        accounts = self.env["astpp.account"]
        self.assertEqual(accounts.search([*domain, ("take_over", "=", "gap")]), account)
        other.billed_until = datetime(2024, 3, 10)
        self.assertEqual(other.take_over, "twice")
        self.assertEqual(accounts.search([*domain, ("take_over", "in", ("gap", "twice"))]), account | other)
        self.assertNotIn(account, accounts.search([*domain, ("take_over", "=", False)]))
        account.billed_until = datetime(2024, 2, 5)
        self.assertEqual(account.take_over, "fits")
        self.invoiced(13, "2024-02-05", "2024-03-04")
        self.sync()
        self.assertEqual(account.take_over, "twice", "ASTPP went on")
