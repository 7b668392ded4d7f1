from freezegun import freeze_time

from odoo.tests import new_test_user, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestOwnCompany(AstppCommon):
    """Customers' invoices are in the books of their reseller's own company, with its taxes and numbers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.own = cls.setup_other_company(name="Reseller Ltd")
        cls.company = cls.own["company"]
        cls.reseller_issuer.write(
            {
                "company_id": cls.company.id, "journal_id": cls.own["default_journal_sale"].id, "prefix": "LTD-",
                "clearing_account_id": False, "partner_id": cls.company.partner_id.id,
            }
        )  # fmt: skip
        cls.tax = cls.own["default_tax_sale"]
        cls.call_product.taxes_id = cls.call_product.taxes_id | cls.tax
        cls.load_calls(cls.reseller_customer, "100")
        cls.load_calls(cls.customer, "50")

    def run_in(self, company):
        run = self.env["astpp.billing.run"].create(
            {"company_id": company.id, "date": "2024-02-01", "invoice_date": "2024-02-01"}
        )
        run.action_run()
        self.assertFalse(run.result_ids.filtered(lambda result: result.state == "failed").mapped("message"))
        return run.move_ids

    def test_books(self):
        self.assertEqual(self.reseller_customer.billing_company_id, self.company)
        moves = self.run_in(self.company)
        self.assertEqual(moves.astpp_account_id, self.reseller_customer)
        self.assertEqual((moves.company_id, moves.name, moves.state), (self.company, "LTD-00001", "posted"))
        self.assertEqual(moves.invoice_line_ids.tax_ids, self.tax)
        self.assertEqual(moves.invoice_line_ids.account_id, self.own["default_account_revenue"])
        self.assertEqual(moves.amount_untaxed, 100)
        others = self.run_in(self.env.company)
        self.assertIn(self.customer, others.astpp_account_id)
        self.assertNotIn(self.reseller_customer, others.astpp_account_id)
        self.assertFalse(self.env["astpp.violation"]._check())

    def test_moved_to_another_company(self):
        """What was used under the operator is on a last invoice of the operator, the rest on the reseller's company's."""
        with freeze_time("2024-01-20 12:00:00"):
            self.customer.parent_id = self.reseller
            self.assertEqual(self.customer.billing_company_id, self.company)
        self.load_calls(self.customer, "7", callstart="2024-01-25 10:00:00")
        with freeze_time("2024-01-22 12:00:00"):
            last = self.env["astpp.billing.run"].create(
                {"company_id": self.env.company.id, "date": "2024-01-22", "invoice_date": "2024-01-22"}
            )
            self.assertIn(self.customer, self.env["astpp.account"].search(last._due_domain()))
            last.action_run()
            self.assertFalse(last.result_ids.filtered(lambda result: result.state == "failed").mapped("message"))
            mine = last.move_ids.filtered(lambda move: move.astpp_account_id == self.customer)
            self.assertEqual((mine.company_id, mine.amount_untaxed, mine.state), (self.env.company, 50, "posted"))
            self.assertEqual(mine.astpp_issuer_id, self.operator)
            self.assertEqual(str(self.customer.billed_until), "2024-01-01 00:00:00", "the other company's to advance")
            again = last.copy({"date": "2024-01-22"})
            self.assertNotIn(self.customer, self.env["astpp.account"].search(again._due_domain()))
        moves = self.run_in(self.company).filtered(lambda move: move.astpp_account_id == self.customer)
        self.assertEqual((moves.company_id, moves.amount_untaxed), (self.company, 7))
        self.assertEqual(str(self.customer.billed_until), "2024-02-01 00:00:00")
        self.assertFalse(self.env["astpp.violation"]._check())
        # A call of before that arrives late goes to the operator's invoice, without waiting for anybody's period.
        self.load_calls(self.customer, "3", callstart="2024-01-19 10:00:00")
        late = self.env["astpp.billing.run"].sudo()
        with freeze_time("2024-02-10 12:00:00"):
            started = late._start_due_runs().filtered(lambda run: run.company_id == self.env.company)
            self.assertEqual(started.result_ids.filtered(lambda r: r.account_id == self.customer).state, "pending")
            started._bill_due_batch()
        self.assertEqual(started.move_ids.filtered(lambda m: m.astpp_account_id == self.customer).amount_untaxed, 3)
        self.assertFalse(self.env["astpp.violation"]._check())

    def test_the_companys_accountant(self):
        """The accountant sees the company's customers and invoices, and nothing of the operator's."""
        move = self.run_in(self.company)
        operator = self.run_in(self.env.company)
        user = new_test_user(
            self.env, login="ltd", groups="base.group_user,account.group_account_invoice", company_id=self.company.id,
            company_ids=[(6, 0, self.company.ids)],
        )  # fmt: skip
        self.env.invalidate_all()
        self.assertEqual(self.env["astpp.account"].with_user(user).search([]), self.reseller_customer)
        seen = self.env["account.move"].with_user(user).search([("astpp_run_id", "!=", False)])
        self.assertEqual(seen, move)
        self.assertNotIn(operator[:1], seen)
        self.assertEqual(seen.astpp_account_id.display_name, self.reseller_customer.display_name)
        view = self.env["account.move"].with_user(user).get_view(view_type="form")
        self.assertTrue(seen.web_read({name: {} for name in view["models"]["account.move"] if name in seen._fields}))
        seen._astpp_store_pdf()
        self.assertTrue(seen._astpp_destinations())

    def test_single_calls_are_credited_in_the_companys_books(self):
        move = self.run_in(self.company)
        usage = self.env["astpp.usage"].search([("move_id", "=", move.id)])
        wizard = self.env["astpp.usage.credit"].create({"usage_ids": [(6, 0, usage.ids)], "reason": "Not connected"})
        wizard.date = "2024-02-02"
        credit = self.env["account.move"].browse(wizard.action_credit()["res_id"])
        credit.action_post()
        self.assertEqual((credit.company_id, credit.journal_id), (self.company, move.journal_id))
        self.assertEqual((credit.amount_total, credit.invoice_line_ids.tax_ids), (move.amount_total, self.tax))
        self.assertTrue(credit.name.startswith("LTD-"), credit.name)
        self.assertFalse(self.env["astpp.violation"]._check())

    def test_top_up(self):
        """A top-up is invoiced and paid in the company's books, with its taxes, and credited like any other."""
        account = self.make_account("His Prepaid", parent_id=self.reseller.id, payment_mode="prepaid")
        account.tax_ids = self.company_data["default_tax_sale"]
        product = self.make_product("topup", price=0, taxes_id=[(6, 0, self.tax.ids)])
        topup = self.env["astpp.topup"].create(
            {
                "account_id": account.id, "product_id": product.id, "amount": 50,
                "payment_journal_id": self.own["default_journal_bank"].id,
            }
        )  # fmt: skip
        topup.action_confirm()
        move = topup.move_id
        self.assertEqual((move.company_id, move.name, topup.state), (self.company, "LTD-00001", "credited"))
        self.assertEqual((move.invoice_line_ids.tax_ids, move.amount_untaxed), (self.tax, 50))
        self.assertIn(move.payment_state, ("paid", "in_payment"))
