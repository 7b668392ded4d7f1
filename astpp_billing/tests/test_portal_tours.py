from odoo.tests import HttpCase, new_test_user, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestPortalTours(AstppCommon, HttpCase):
    """Main tasks of a reseller and a customer in a real browser, with a portal login only."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for login, account in (("tour.reseller", cls.reseller), ("tour.customer", cls.customer)):
            user = new_test_user(cls.env, login=login, password=f"{login}.pw", groups="base.group_portal")
            user.partner_id.parent_id = account.partner_id

    def test_reseller(self):
        self.reseller_customer.partner_id.name = "Tour Below"
        self.reseller_issuer.write({"prefix": "TOURR-", "invoice_mode": "draft"})
        self.load_calls(self.reseller_customer, "10")
        move = self.bill(self.reseller_customer).move_ids
        self.assertEqual(move.state, "draft")
        self.start_tour("/my", "astpp_reseller", login="tour.reseller", timeout=600)
        self.assertEqual((move.state, move.name), ("posted", "TOURR-00001"))
        self.assertEqual(self.reseller_customer.billing_day, 15)
        self.assertEqual((self.reseller_issuer.prefix, self.reseller_issuer.name), ("TOURX-", "Tour Voice"))

    def test_customer(self):
        product = self.make_product(
            kind="package", name="Tour Package", astpp_free_minutes=100, astpp_can_purchase=True
        )
        self.customer.credit_limit = 100
        self.load_calls(self.customer, "10")
        move = self.bill(self.customer).move_ids
        self.start_tour("/my", "astpp_customer", login="tour.customer", timeout=600)
        self.assertEqual(self.customer.subscription_ids.product_id, product)
        self.assertEqual(self.customer.billing_day, 20)
        self.assertEqual(move.payment_state, "not_paid")
