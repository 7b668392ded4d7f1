from odoo.fields import Command
from odoo.tests import tagged

from ..models.ledger.astpp_usage_entries import UsageEntry
from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestRefill(AstppCommon):
    """A refill that ASTPP took from a postpaid customer is a payment: not invoiced, not taxed, booked once."""

    def refill(self, account, amount=20, **values):
        key, moment = str(next(self.ids)), "2024-01-20 10:00:00"
        self.env["astpp.usage"].sudo()._add(
            [UsageEntry("charge", key, self.server.id, account.id, moment, "topup", -amount, "Recharge")]
        )
        usage = self.env["astpp.usage"].search([("account_id", "=", account.id), ("charge_type", "=", "topup")])
        return usage.sorted("id")[-1]

    def book(self):
        usage = self.env["astpp.usage"].search(self.env["account.move"]._astpp_refill_domain())
        usage._try_book_refills()

    def owed(self, account):
        self.env.flush_all()
        account.partner_id.invalidate_recordset()
        return account.partner_id.credit

    def receivable(self, move):
        return move.line_ids.filtered(lambda line: line.account_id.account_type == "asset_receivable")

    def test_booked_with_the_billing_run_but_not_invoiced(self):
        refill = self.refill(self.customer)
        self.load_calls(self.customer, "100")
        move = self.bill(self.customer).move_ids
        self.assertEqual((move.amount_untaxed, move.amount_total), (100, 115))
        entry = refill.move_id
        self.assertEqual((entry.move_type, entry.state, str(entry.date)), ("entry", "posted", "2024-01-20"))
        self.assertFalse(entry.line_ids.tax_ids | entry.line_ids.tax_line_id)
        self.assertEqual(self.owed(self.customer), 95)
        (self.receivable(move) | self.receivable(entry)).reconcile()
        self.assertEqual(move.amount_residual, 95)
        self.assertFalse(self.env["astpp.violation"]._check())
        self.assertFalse(self.bill(self.customer, date="2024-03-01").move_ids, "booked once")
        queued = self.env["astpp.outbox"].sudo().search([("account_id", "=", self.customer.id)])
        self.assertEqual(sum(queued.mapped("amount")), 0, "ASTPP has taken it already")

    def test_one_bad_refill_does_not_stop_the_scheduled_action(self):
        bad = self.make_account("No Rate", currency_id=self.env.ref("base.JPY").id)
        self.env.ref("base.JPY").rate_ids.unlink()
        refills = [self.refill(account) for account in (self.customer, bad, self.make_account("Other"))]
        for _turn in range(2):
            self.book()
        self.assertEqual([bool(refill.move_id) for refill in refills], [True, False, True])
        self.assertIn("no rate of JPY", bad._alerts("refill").note)
        self.assertFalse(self.customer._alerts("refill"))
        self.setup_other_currency("JPY", rates=[("2024-01-01", 100)])
        self.book()
        self.assertFalse(bad._alerts("refill"))
        line = self.receivable(refills[1].move_id)
        self.assertEqual((line.amount_currency, line.balance, line.currency_id.name), (-2000, -20, "JPY"))
        self.assertFalse(self.env["astpp.violation"]._check())

    def test_a_refill_alone_makes_no_account_due(self):
        self.refill(self.customer)
        self.customer.status = "closed"
        run = self.bill(self.customer)
        self.assertFalse(run.move_ids)

    def test_taken_back_and_deleted(self):
        refill = self.refill(self.customer, -7)
        self.book()
        self.assertEqual(self.owed(self.customer), 7)
        refill.move_id.button_draft()
        refill.move_id.unlink()
        self.assertFalse(refill.move_id)
        self.book()
        self.assertEqual(self.owed(self.customer), 7)

    def test_prepaid_and_accounts_that_odoo_does_not_invoice(self):
        prepaid = self.refill(self.make_account("Prepaid", payment_mode="prepaid"))
        elsewhere = self.refill(self.make_account("Elsewhere", invoice_enabled=False))
        self.book()
        self.assertFalse(prepaid.move_id | elsewhere.move_id)

    def test_refill_received_by_a_reseller(self):
        """Such a refill lowers what is owed to the reseller, on the clearing account and so in the next settlement."""
        self.call_product.taxes_id = False
        refill = self.refill(self.reseller_customer)
        self.load_calls(self.reseller_customer, "100")
        self.bill(self.reseller_customer)
        line = refill.move_id.line_ids.filtered(lambda line: line.account_id == self.clearing_account)
        self.assertEqual(line.balance, 20)
        settlement = self.env["astpp.settlement"].create(
            {"issuer_id": self.reseller_issuer.id, "date": "2024-02-28", "basis": "invoiced"}
        )
        settlement.action_collect()
        self.assertEqual((settlement.owed_amount, settlement.invoiced_amount), (80, 100))
        journal = self.company_data["default_journal_cash"]
        self.reseller_issuer.payment_journal_id = journal
        later = self.refill(self.reseller_customer)
        self.book()
        self.assertEqual(later.move_id.journal_id, journal)

    def test_coupons_are_not_taxed(self):
        self.customer.tax_ids = self.tax_sale_a
        self.load_calls(self.customer, "100")
        key, moment = "coupon/1", "2024-01-20 00:00:00"
        self.env["astpp.usage"].sudo()._add(
            [UsageEntry("credit", key, self.server.id, self.customer.id, moment, "voucher", -10, "Coupon")]
        )
        move = self.bill(self.customer).move_ids
        self.assertEqual((move.amount_untaxed, move.amount_tax), (90, 15))


@tagged("post_install", "-at_install")
class TestFlatTax(AstppCommon):
    """ASTPP's flat tax: once per invoice, in the server's currency."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tax = cls.env["astpp.tax"]
        cls.astpp_tax = tax.create(
            {"name": "VAT", "server_id": cls.server.id, "astpp_id": 1, "rate": 10, "flat_amount": 3}
        )
        cls.astpp_tax.tax_ids = cls.astpp_tax._find_tax("percent", 10) | cls.astpp_tax._find_tax("fixed", 3)

    def invoice(self, *charges, **values):
        account = self.make_account(tax_ids=[Command.set(self.astpp_tax.tax_ids.ids)], **values)
        rows = [self.row(account, debit=amount, calltype=kind) for kind, amount in charges]
        self.load(*rows)
        return self.bill(account).move_ids

    def test_once_per_invoice(self):
        move = self.invoice(("STANDARD", 100), ("LOCAL", 50), ("FAX", 50))
        self.assertEqual((len(move.invoice_line_ids), move.amount_untaxed, move.amount_tax), (3, 200, 23))
        self.assertFalse(self.env["astpp.violation"]._check())

    def test_in_the_servers_currency(self):
        euro = self.setup_other_currency("EUR", rates=[("2024-01-01", 0.5)])
        move = self.invoice(("STANDARD", 100), ("LOCAL", 100), currency_id=euro.id)
        self.assertEqual((move.amount_untaxed, move.amount_tax), (100, 11.5))
        self.assertEqual(move.currency_id, euro)
        move.button_draft()
        move.invoice_line_ids[0].name = "Changed"
        self.assertEqual(move.amount_tax, 11.5, "as Odoo computes it once more")

    def test_server_of_a_third_currency(self):
        euro = self.setup_other_currency("EUR", rates=[("2024-01-01", 0.5)])
        pound = self.setup_other_currency("GBP", rates=[("2024-01-01", 0.25)])
        other = self.env["astpp.server"].create(
            {"name": "Pounds", "currency_id": pound.id, "call_product_id": self.call_product.id}
        )
        tax = self.env["astpp.tax"].create({"name": "Fee", "server_id": other.id, "astpp_id": 1, "flat_amount": 3})
        tax.tax_ids = tax._find_tax("fixed", 3)
        self.assertNotEqual(tax.tax_ids, self.astpp_tax.tax_ids.filtered(lambda tax: tax.amount_type == "fixed"))
        account = self.make_account(server_id=other.id, currency_id=euro.id, tax_ids=[Command.set(tax.tax_ids.ids)])
        self.env["astpp.usage"].create({"account_id": account.id, "amount": 10, "date": "2024-01-15"})
        move = self.bill(account).move_ids
        self.assertEqual((move.amount_untaxed, move.amount_tax), (20, 6))

    def test_not_on_credit_notes(self):
        account = self.make_account(tax_ids=[Command.set(self.astpp_tax.tax_ids.ids)])
        self.env["astpp.usage"].create(
            {"account_id": account.id, "amount": -50, "date": "2024-01-15", "charge_type": "credit"}
        )
        move = self.bill(account).move_ids
        self.assertEqual((move.move_type, move.amount_untaxed, move.amount_tax), ("out_refund", 50, 5))

    def test_companys_own_fixed_tax_is_left_alone(self):
        own = self.env["account.tax"].create(
            {
                "name": "Own",
                "amount_type": "fixed",
                "amount": 3,
                "type_tax_use": "sale",
                "company_id": self.env.company.id,
            }
        )
        self.assertNotIn(own, self.astpp_tax.tax_ids | self.astpp_tax._find_tax("fixed", 3))
