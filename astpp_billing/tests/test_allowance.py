from datetime import datetime

from odoo.tests import freeze_time, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestAllowance(AstppCommon):
    """Included minutes per period, counted from the calls that packages paid for."""

    @freeze_time("2024-01-01 10:00:00")
    def test_used_and_reset(self):
        package = self.subscribe(self.customer, self.make_product("package", astpp_free_minutes=10))
        free = {"calltype": "FREE", "billseconds": 61}
        self.load_calls(self.customer, "1", "1", **free, callstart="2024-01-10 10:00:00")
        self.load_calls(self.customer, "1", callstart="2024-01-10 11:00:00")
        january = package.allowance_ids
        self.assertEqual((january.included_minutes, january.used_minutes, january.remaining_minutes), (10, 4, 6))
        self.assertEqual(package.allowance_percent, 40)
        with freeze_time("2024-02-01 10:00:00"):
            self.renew()
            package.invalidate_recordset()
            self.assertEqual((package.allowance_used, len(package.allowance_ids)), (0, 2))
        self.load_calls(self.customer, "1", callstart="2024-01-31 23:00:00", calltype="FREE", billseconds=1200)
        january.invalidate_recordset()
        self.assertEqual((january.used_minutes, january.over_minutes, january.remaining_minutes), (24, 14, 0))

    @freeze_time("2024-01-01 10:00:00")
    def test_each_package_has_its_own_calls(self):
        product = self.make_product("package", astpp_free_minutes=10)
        first, second = self.subscribe(self.customer, product), self.subscribe(self.customer, product)
        second._astpp_own().astpp_order_id = 77
        for package_id in ("77", "", "999"):
            self.load(self.row(self.customer, calltype="FREE", package_id=package_id, callstart="2024-01-10 10:00:00"))
        self.assertEqual(second.allowance_ids.used_minutes, 1)
        self.assertEqual(first.allowance_ids.used_minutes, 2, "what names no order we know counts for the oldest one")
        linked = self.env["astpp.usage"].search([("subscription_id", "=", second.id), ("charge_type", "=", "free")])
        self.assertEqual(len(linked), 1)

    @freeze_time("2024-01-01 10:00:00")
    def test_quantity_and_end(self):
        package = self.subscribe(self.customer, self.make_product("package", astpp_free_minutes=10), quantity=3)
        self.assertEqual(package.allowance_ids.included_minutes, 30)
        with freeze_time("2024-01-20 10:00:00"):
            package._terminate(self.env.ref("astpp_billing.close_reason_request"))
        self.assertEqual(package.allowance_ids.period_end, datetime(2024, 1, 20, 10))

    def test_destinations(self):
        product = self.make_product("package", astpp_destination_ids=[(0, 0, {"prefix": "44", "name": "UK"})])
        self.assertEqual(product.product_tmpl_id.copy().astpp_destination_ids.prefix, "44")
        with self.assertRaisesRegex(Exception, "no row of digits"):
            self.make_product("package", astpp_destination_ids=[(0, 0, {"prefix": "^44.*"})])
