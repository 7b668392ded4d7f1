from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestRecognition(AstppCommon):
    """Prepaid consumption is recognised at its own server's rate, and usage that is not booked is not linked."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.advance = cls.env["account.account"].create(
            {"name": "Customer Advances", "code": "ASTPP212", "account_type": "liability_current"}
        )
        cls.operator.advance_account_id = cls.advance
        cls.euro = cls.setup_other_currency("EUR", rates=[("2023-01-01", 0.5)])

    def use(self, account, *amounts):
        for amount in amounts:
            self.env["astpp.usage"].create({"account_id": account.id, "amount": amount, "date": "2024-01-15"})
        return self.env["astpp.usage"].search([("account_id", "=", account.id)])

    def recognise(self, issuer=None, month="2024-01-15"):
        wizard = self.env["astpp.recognition"].create(
            {"month": month, "issuer_ids": [(6, 0, (issuer or self.operator).ids)]}
        )
        return self.env["account.move"].browse(wizard.action_recognise()["domain"][0][2])

    def owed(self, entry, account=None):
        return entry.line_ids.filtered(lambda line: line.account_id == (account or self.advance)).balance

    def test_servers_of_two_currencies(self):
        """100 USD and 100 EUR make 300 USD."""
        other = self.env["astpp.server"].create(
            {"name": "Euro Switch", "currency_id": self.euro.id, "call_product_id": self.call_product.id}
        )
        dollars = self.use(self.make_account(payment_mode="prepaid"), 100)
        euros = self.use(self.make_account(payment_mode="prepaid", server_id=other.id), 100)
        entry = self.recognise()
        self.assertEqual(self.owed(entry), 300)
        self.assertEqual((dollars | euros).move_id, entry)
        self.assertNotEqual(dollars.move_line_id, euros.move_line_id)
        self.assertFalse(self.env["astpp.violation"]._check())

    def test_resellers_own_company(self):
        """A reseller's own company has no server: usage is the operator's, the income account is the company's own."""
        own = self.setup_other_company(name="Reseller Ltd", currency_id=self.euro.id)
        company = own["company"]
        self.env["res.currency.rate"].create(
            [
                {"currency_id": currency.id, "company_id": company.id, "name": "2023-01-01", "rate": rate}
                for currency, rate in ((self.euro, 0.5), (self.env.ref("base.USD"), 1.0))
            ]
        )
        advance = (
            self.env["account.account"]
            .with_company(company)
            .create(
                {
                    "name": "Advances",
                    "code": "212900",
                    "account_type": "liability_current",
                    "company_ids": [(6, 0, company.ids)],
                }
            )
        )
        self.reseller_issuer.write(
            {
                "company_id": company.id, "journal_id": own["default_journal_sale"].id, "clearing_account_id": False,
                "partner_id": company.partner_id.id, "advance_account_id": advance.id,
            }
        )  # fmt: skip
        usage = self.use(self.make_account(payment_mode="prepaid", parent_id=self.reseller.id), 40)
        entry = self.recognise(self.reseller_issuer)
        self.assertEqual((entry.company_id, self.owed(entry, advance)), (company, 20))
        self.assertEqual(usage.move_id, entry)
        self.assertEqual((entry.line_ids.account_id - advance).company_ids, company)
        self.assertFalse(self.env["astpp.violation"]._check())

    def test_without_a_rate_nothing_is_booked(self):
        yen = self.env["res.currency"].with_context(active_test=False).search([("name", "=", "JPY")])
        yen.rate_ids.unlink()
        yen.active = True
        other = self.env["astpp.server"].create({"name": "Yen Switch", "currency_id": yen.id})
        usage = self.use(self.make_account(payment_mode="prepaid", server_id=other.id), 100)
        with self.assertRaisesRegex(UserError, "no rate of JPY"), self.env.cr.savepoint():
            self.recognise()
        self.assertFalse(usage.move_id)

    def test_amount_below_the_smallest_coin_waits(self):
        usage = self.use(self.make_account(payment_mode="prepaid"), 0.004)
        with self.assertRaisesRegex(UserError, "nothing"), self.env.cr.savepoint():
            self.recognise()
        self.assertFalse(usage.move_id)
        usage = self.use(usage.account_id, 0.003)
        entry = self.recognise()
        self.assertEqual((self.owed(entry), usage.move_id), (0.01, entry))

    def test_reversing_an_entry_releases_its_usage(self):
        usage = self.use(self.make_account(payment_mode="prepaid"), 100)
        entry = self.recognise()
        self.env["account.move.reversal"].with_context(active_model="account.move", active_ids=entry.ids).create(
            {"journal_id": entry.journal_id.id, "date": "2024-01-31"}
        ).refund_moves()
        self.assertFalse(usage.move_id)
        self.assertFalse(self.env["astpp.violation"]._check())
        again = self.recognise()
        self.assertEqual((usage.move_id, self.owed(again)), (again, 100))
        self.assertNotEqual(again, entry)
        balance = self.env["account.move.line"].search([("account_id", "=", self.advance.id)]).mapped("balance")
        self.assertEqual(sum(balance), 100)
