from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, new_test_user, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestSettlement(AstppCommon):
    """What is owed to a reseller moves to the reseller's payable account once."""

    def invoice(self, account, *amounts, **values):
        self.load_calls(account, *amounts, **values)
        return self.bill(account).move_ids

    def pay(self, move):
        self.env["account.payment.register"].with_context(active_model="account.move", active_ids=move.ids).create(
            {}
        )._create_payments()

    def settle(self, **values):
        settlement = self.env["astpp.settlement"].create(
            {"issuer_id": self.reseller_issuer.id, "date": "2024-02-28", **values}
        )
        settlement.action_collect()
        return settlement

    def test_readers_collect_nothing(self):
        settlement = self.env["astpp.settlement"].create({"issuer_id": self.reseller_issuer.id})
        reader = new_test_user(
            self.env, login="reader", groups="account.group_account_readonly",
            company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip
        for action in ("action_collect", "action_release", "action_settle"):
            with self.assertRaises(UserError):
                getattr(settlement.with_user(reader), action)()

    def test_paid_documents(self):
        second = self.make_account("Second", parent_id=self.reseller.id)
        paid, unpaid = self.invoice(self.reseller_customer, "100"), self.invoice(second, "40")
        wholesale = self.invoice(self.reseller, "60")
        self.pay(paid)
        settlement = self.settle()
        self.assertEqual(settlement.move_ids, paid)
        self.assertEqual((settlement.invoiced_amount, settlement.paid_amount), (115, 115))
        self.assertEqual(settlement.owed_amount, 100, "the tax is the operator's to pay")
        self.assertEqual(settlement.wholesale_amount, wholesale.amount_residual)
        self.assertEqual(settlement.net_amount, 100 - wholesale.amount_residual)
        settlement.action_settle()
        bill = settlement.bill_id
        self.assertEqual(
            (bill.move_type, bill.amount_total, bill.partner_id), ("in_invoice", 100, self.reseller.partner_id)
        )
        bill.action_post()
        balance = sum(
            self.env["account.move.line"].search([("account_id", "=", self.clearing_account.id)]).mapped("balance")
        )
        self.assertEqual(balance, -40, "what is left is owed for the unpaid one")
        with self.assertRaisesRegex(UserError, "settled with the reseller"):
            paid.button_draft()
        again = self.settle()
        self.assertFalse(again.move_ids)
        with self.assertRaisesRegex(UserError, "Collect"):
            again.action_settle()
        again.unlink()
        everything = self.settle(basis="invoiced")
        self.assertEqual(everything.move_ids, unpaid)
        everything.unlink()
        self.assertFalse(unpaid.astpp_settlement_id)

    def test_commissions(self):
        """A reseller who works for a commission gets one bill for the commission earned."""
        self.operator.prefix = "OP-"
        agent = self.make_account("Agent", account_type="reseller", commission_based=True)
        customer = self.make_account("Agent's Customer", parent_id=agent.id)
        self.subscribe(customer, self.make_product(price=100.0, astpp_commission=15))
        customer.billed_until = "2024-01-01 00:00:00"
        invoices = self.bill(customer, date=fields.Date.today() + timedelta(days=40)).move_ids
        settlement = self.env["astpp.settlement"].create(
            {"kind": "commission", "account_id": agent.id, "date": fields.Date.today() + timedelta(days=40)}
        )
        with Form(self.env["astpp.settlement"]) as form:
            form.kind = "commission"
            form.account_id = agent
            self.assertEqual(form.owed_amount, 15)
        form.record.unlink()
        self.assertEqual(settlement.owed_amount, 15)
        self.assertEqual(settlement.invoiced_amount, sum(invoices.mapped("amount_total")))
        self.assertEqual(settlement.paid_amount, 0)
        settlement.action_settle()
        bill = settlement.bill_id
        self.assertEqual((bill.move_type, bill.amount_untaxed, bill.partner_id), ("in_invoice", 15, agent.partner_id))
        self.assertFalse(self.env["astpp.violation"]._check())
        again = settlement.copy()
        self.assertEqual(again.owed_amount, 0)
        with self.assertRaisesRegex(UserError, "no commission waits"):
            again.action_settle()
        self.assertFalse(self.bill(agent, date=fields.Date.today() + timedelta(days=40)).move_ids, "nor on an invoice")
        bill.button_cancel()
        again.invalidate_recordset()
        self.assertEqual(again.owed_amount, 15, "a cancelled bill lets them go")
        self.assertFalse(self.env["astpp.violation"]._check())
        with self.assertRaisesRegex(ValidationError, "for a commission"):
            self.env["astpp.settlement"].create({"kind": "commission", "account_id": self.reseller.id})

    def test_documents_booked_on_two_clearing_accounts(self):
        """Each document is settled from the account it was booked on, whatever the issuer's account is today."""
        second = self.make_account("Second", parent_id=self.reseller.id)
        first = self.invoice(self.reseller_customer, "70")
        other = self.clearing_account.copy({"code": "ASTPP219"})
        self.reseller_issuer.clearing_account_id = other
        later = self.invoice(second, "50")
        settlement = self.settle(basis="invoiced")
        self.assertEqual((settlement.move_ids, settlement.owed_amount), (first | later, 120))
        settlement.action_settle()
        settlement.bill_id.action_post()
        self.assertEqual(settlement.bill_id.amount_total, 120)
        for account in (self.clearing_account, other):
            lines = self.env["account.move.line"].search(
                [("account_id", "=", account.id), ("parent_state", "=", "posted")]
            )
            self.assertEqual(sum(lines.mapped("balance")), 0, account.code)
        self.reseller_issuer.clearing_account_id = False
        settlement.invalidate_recordset()
        self.assertEqual(settlement.owed_amount, 120)

    def test_cancelled_bill_lets_its_documents_be_settled_again(self):
        document = self.invoice(self.reseller_customer, "70")
        for undo in ("button_cancel", "unlink"):
            settlement = self.settle(basis="invoiced")
            self.assertEqual(settlement.move_ids, document)
            settlement.action_settle()
            bill = settlement.bill_id
            getattr(bill, undo)()
            self.assertEqual((settlement.state, settlement.bill_id.id, settlement.move_ids), ("draft", False, document))
            if undo == "button_cancel":
                with self.assertRaisesRegex(UserError, "Settle with the reseller again"):
                    bill.button_draft()
            settlement.action_settle()
            with self.assertRaisesRegex(UserError, "cannot be deleted"):
                settlement.unlink()
            settlement.bill_id.unlink()
            settlement.unlink()
            self.assertFalse(document.astpp_settlement_id)

    def test_settlement_that_lost_its_bill_cannot_be_deleted(self):
        """Deleting a settlement whose bill an earlier version lost is refused in words, not by a database error."""
        self.invoice(self.reseller_customer, "70")
        settlement = self.settle(basis="invoiced")
        settlement.action_settle()
        settlement.bill_id._astpp_own().astpp_bills_settlement = False
        settlement.bill_id.unlink()
        with self.assertRaisesRegex(UserError, "cannot be deleted"), self.env.cr.savepoint():
            settlement.unlink()
