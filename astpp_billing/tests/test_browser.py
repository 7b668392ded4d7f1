from pathlib import Path
from unittest.mock import patch

from odoo.addons.base.models.ir_actions_report import IrActionsReport
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import file_path

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestBrowser(AstppCommon, HttpCase):
    """The accountant's way in a real browser, with the Invoicing right alone."""

    def test_tours_have_the_time_that_a_busy_machine_takes(self):
        """By itself Odoo gives a step ten seconds: a PDF may take longer when other tests run."""
        tours = Path(file_path("astpp_billing/static/tests/tours"))
        for file in tours.glob("*tour*.js"):
            text = file.read_text()
            self.assertEqual(text.count("steps: () =>"), text.count("steps: () => patient("), file.name)

    def test_month_end(self):
        server = self.env["astpp.server"].create({"name": "Tour ASTPP", "call_product_id": self.call_product.id})
        self.operator.prefix = "TOUR-"
        account = self.make_account("Tour Customer", server_id=server.id, number="TOUR1", astpp_id=990001)
        # What has ended since is billed as well, and the months after January had no usage.
        account.billed_until = "2024-01-01 00:00:00"
        new_test_user(
            self.env, login="tour_accountant", groups="base.group_user,account.group_account_invoice",
            company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip
        self.env.company.external_report_layout_id = self.env.ref("web.external_layout_standard")
        printed = []
        render = IrActionsReport._render_qweb_pdf

        def spy(report, *args, **kwargs):
            # Odoo prints HTML in tests, unless told otherwise.
            result = render(report.with_context(force_report_rendering=True), *args, **kwargs)
            printed.append(result[0])
            return result

        with patch.object(IrActionsReport, "_render_qweb_pdf", spy):
            self.start_tour("/odoo", "astpp_month_end", login="tour_accountant", timeout=600)
        move = account.move_ids
        self.assertEqual((move.name, move.state, move.amount_untaxed), ("TOUR-00001", "posted", 3.0))
        self.assertTrue(printed and printed[0].startswith(b"%PDF"))
