from datetime import date, datetime, timedelta

from odoo.tests import freeze_time, tagged

from .common import AstppCommon

# Untaxed totals, calculated by hand. In Berlin; a call for 1.00 each month; a number for 3.10 from 31 January; a
# second number for 4.00 (setup 6.00) from 10 March to 20 September, when the rest is refunded; the package for 20.00
# (setup 5.00) from 15 January, and the larger one for 35.00 from 11 June.
INVOICES = {
    "2024-02-01": 20.07,  # 17 of 31 days: 10.97, setup 5.00, number 3.10, call
    "2024-03-01": 24.10,  # 20.00, number on the 29th 3.10, call
    "2024-04-01": 34.10,  # 20.00, 3.10, second number 4.00 with setup 6.00, call
    "2024-05-01": 28.10,
    "2024-06-01": 28.10,
    "2024-07-01": 38.10,  # small: 20.00 - 13.33 (20 of 30 days), large: 23.33, 3.10, 4.00, call
    "2024-08-01": 43.10,
    "2024-09-01": 43.10,
    "2024-10-01": 40.57,  # 35.00, 3.10, 4.00 - 2.53 (19 of 30 days), call
    "2024-11-01": 39.10,
    "2024-12-01": 39.10,
    "2025-01-01": 39.10,
    "2025-02-01": 39.10,
    "2025-03-01": 39.10,
}


@tagged("post_install", "-at_install")
class TestSubscriptionStory(AstppCommon):
    """Fourteen months of a customer, day by day."""

    def test_fourteen_months(self):
        packages = {"kind": "package", "astpp_prorate": True, "astpp_refund_unused": True, "astpp_direction": "both"}
        small = self.make_product(name="Talk 500", price=20, setup_fee=5, astpp_free_minutes=500, **packages)
        large = self.make_product(name="Talk 1000", price=35, astpp_free_minutes=1000, **packages)
        number = self.make_product("did", name="Number", price=3.10)
        second = self.make_product("did", name="Second Number", price=4, setup_fee=6, astpp_refund_unused=True)
        one, two = self.env["astpp.did"].create([{"number": "4930100"}, {"number": "4930200"}])
        account = self.make_account(tz="Europe/Berlin", billed_until="2023-12-31 23:00:00")
        runs = self.env["astpp.billing.run"]
        orders = {}
        invoices = {}
        day = date(2024, 1, 14)
        while day <= date(2025, 3, 1):
            day += timedelta(days=1)
            with freeze_time(datetime.combine(day, datetime.min.time()) + timedelta(hours=3)):
                match day.isoformat():
                    case "2024-01-15":
                        orders["package"] = self.subscribe(account, small)
                    case "2024-01-31":
                        orders["one"] = self.subscribe(account, number, did_id=one.id)
                    case "2024-03-10":
                        orders["two"] = self.subscribe(account, second, did_id=two.id)
                    case "2024-06-11":
                        orders["package"]._plan_change(datetime.now(), large)
                    case "2024-09-20":
                        orders["two"]._terminate(self.env.ref("astpp_billing.close_reason_request"))
                if day.day == 5 or day == date(2024, 1, 15):
                    self.load_calls(account, "1", callstart=f"{day} 10:00:00")
                self.renew()
                if day.day == 1:
                    run = runs.create({"account_ids": [(6, 0, account.ids)], "date": day, "invoice_date": day})
                    run.action_run()
                    invoices[day.isoformat()] = run.move_ids.amount_untaxed
        self.assertEqual(invoices, INVOICES)
        self.assertEqual(two.state, "quarantine" if two.quarantine_until else "free")
        allowances = orders["package"].allowance_ids.sorted("period_start")
        self.assertEqual(len(allowances), 16, "a row a period, and one more for the change")
        self.assertEqual(allowances[0].included_minutes, 275, "17 of 31 days")
        self.assertEqual(allowances[5:7].mapped("included_minutes"), [500, 667])
        self.assertLedgerHolds()
        self.assertFalse(self.env["astpp.violation"].sudo()._check())
