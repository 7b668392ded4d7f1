from pathlib import Path
from unittest.mock import patch

from odoo.addons.base.models.ir_actions_report import IrActionsReport
from odoo.exceptions import UserError
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import file_path

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestBrowser(AstppCommon, HttpCase):
    """The accountant's work in a real browser, with the Invoicing right alone."""

    def make_accountant(self):
        return new_test_user(
            self.env, login="tour_accountant", groups="base.group_user,account.group_account_invoice",
            company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip

    def test_new_topup(self):
        account = self.make_account("Tour Prepaid", number="TOURPRE", payment_mode="prepaid")
        self.make_accountant()
        self.start_tour("/odoo", "astpp_new_topup", login="tour_accountant", timeout=180)
        topup = self.env["astpp.topup"].search([("account_id", "=", account.id)])
        self.assertEqual((topup.amount, topup.company_id, topup.state), (25, self.env.company, "invoiced"))

    def test_new_settlement(self):
        self.reseller_issuer.name = "Tour Reseller"
        self.make_accountant()
        self.start_tour("/odoo", "astpp_new_settlement", login="tour_accountant", timeout=180)
        settlement = self.env["astpp.settlement"].search([("issuer_id", "=", self.reseller_issuer.id)])
        self.assertEqual(settlement.company_id, self.env.company)

    def test_new_subscription(self):
        account = self.make_account("Tour Postpaid", number="TOURPOST")
        self.make_product("did", name="Tour Number", price=3)
        did = self.env["astpp.did"].create({"number": "4420777", "server_id": self.server.id})
        self.make_accountant()
        self.start_tour("/odoo", "astpp_new_subscription", login="tour_accountant", timeout=180)
        subscription = self.env["astpp.subscription"].search([("account_id", "=", account.id)])
        self.assertEqual((subscription.state, subscription.company_id), ("active", self.env.company))
        self.assertEqual(did.account_id, account)

    def test_pickers_offer_records_of_the_company(self):
        """A new record has a company at once; without one, pickers would offer only records without a company."""
        for name, model in self.env.items():
            checked = [field for field in model._fields.values() if getattr(field, "check_company", False)]
            # Taxes come from ASTPP and are never created by hand.
            if not name.startswith("astpp.") or not checked or name == "astpp.tax":
                continue
            with self.subTest(name):
                record = model.new(model.default_get(list(model._fields)))
                self.assertEqual(record.company_id, self.env.company)

    def test_another_companys_records_are_refused(self):
        """What pickers do not offer cannot be saved either, however it is entered."""
        company = self.env["res.company"].create({"name": "Elsewhere"})
        product = self.make_product()
        product.company_id = company
        with self.assertRaisesRegex(UserError, "company inconsistencies"):
            self.env["astpp.subscription"].create({"account_id": self.customer.id, "product_id": product.id})
        foreign = self.make_account(
            server_id=self.env["astpp.server"].create({"name": "Elsewhere", "company_id": company.id}).id,
            payment_mode="prepaid",
        )
        topup = self.env["astpp.topup"].create({"account_id": foreign.id, "amount": 1})
        self.assertEqual(topup.company_id, company, "the account's, whoever makes it")

    def test_tours_wait_longer_on_busy_machines(self):
        """Odoo's default of ten seconds per step is too short: making a PDF may take longer while other tests run."""
        tours = Path(file_path("astpp_billing/static/tests/tours"))
        for file in tours.glob("*tour*.js"):
            text = file.read_text()
            self.assertEqual(text.count("steps: () =>"), text.count("steps: () => patient("), file.name)

    def test_month_end(self):
        server = self.env["astpp.server"].create({"name": "Tour ASTPP", "call_product_id": self.call_product.id})
        self.operator.prefix = "TOUR-"
        account = self.make_account("Tour Customer", server_id=server.id, number="TOUR1", astpp_id=990001)
        # Later periods have ended too, but have no usage.
        account.billed_until = "2024-01-01 00:00:00"
        self.make_accountant()
        self.env.company.external_report_layout_id = self.env.ref("web.external_layout_standard")
        printed = []
        render = IrActionsReport._render_qweb_pdf

        def spy(report, *args, **kwargs):
            # Odoo renders HTML in tests, unless told otherwise.
            result = render(report.with_context(force_report_rendering=True), *args, **kwargs)
            printed.append(result[0])
            return result

        with patch.object(IrActionsReport, "_render_qweb_pdf", spy):
            self.start_tour("/odoo", "astpp_month_end", login="tour_accountant", timeout=600)
        move = account.move_ids
        self.assertEqual((move.name, move.state, move.amount_untaxed), ("TOUR-00001", "posted", 3.0))
        self.assertTrue(printed and printed[0].startswith(b"%PDF"))
