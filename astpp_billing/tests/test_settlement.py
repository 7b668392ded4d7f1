from odoo.exceptions import UserError
from odoo.tests import new_test_user, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestSettlement(AstppCommon):
    """What is owed to a reseller goes to his payable account once."""

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
