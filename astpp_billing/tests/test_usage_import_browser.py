from odoo.tests import HttpCase, new_test_user, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestUsageImportBrowser(AstppCommon, HttpCase):
    """Importing files in a real browser, with the Invoicing right alone."""

    def test_refused_imported_and_undone(self):
        server = self.env["astpp.server"].create({"name": "Tour ASTPP", "call_product_id": self.call_product.id})
        account = self.make_account("Tour Customer", server_id=server.id, number="TOUR1", astpp_id=990001)
        new_test_user(
            self.env, login="tour_accountant", groups="base.group_user,account.group_account_invoice",
            company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip
        self.start_tour("/odoo", "astpp_usage_import", login="tour_accountant", timeout=180)
        imports = self.env["astpp.usage.import"].search([("server_id", "=", server.id)])
        self.assertEqual(
            imports.mapped(lambda done: (done.name, done.state)), [("wrong.csv", "undone"), ("photo.png", "refused")]
        )
        self.assertFalse(account.usage_count)
