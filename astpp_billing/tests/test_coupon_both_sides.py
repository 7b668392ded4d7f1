from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from .outbox_common import OutboxCommon


@tagged("post_install", "-at_install")
class TestCouponBothSides(OutboxCommon):
    """A coupon of ASTPP's is worth its amount once, wherever it is redeemed first."""

    def setUp(self):
        super().setUp()
        self.mariadb.insert("refill_coupon", {"id": 7, "number": "4711", "amount": "20", "currency_id": 1, "status": 0})
        self.sync()
        self.coupon = self.env["astpp.coupon"].search([("server_id", "=", self.server.id)])

    def redeem(self, account_id=12):
        return self.env["astpp.coupon"]._redeem("4711", self.account(account_id))

    def redeem_in_astpp(self, account_id):
        self.mariadb.execute(
            "UPDATE refill_coupon SET status = 2, account_id = %s, firstused = '2024-03-01 10:00:00' WHERE id = 7",
            (account_id,),
        )

    def in_astpp(self):
        [(status, account_id, used)] = self.mariadb.execute(
            "SELECT status, account_id, firstused FROM refill_coupon WHERE id = 7"
        )
        return int(status), int(account_id), str(used)

    def credit(self):
        return self.usage(("source", "=", "credit"))

    def test_used_here_is_used_there(self):
        self.redeem()
        self.sync()
        self.assertEqual(
            (self.coupon.state, self.coupon.account_id), ("used", self.account(12)), "ASTPP is not told yet"
        )
        self.assertEqual(self.apply().state, "applied")
        status, account_id, used = self.in_astpp()
        self.assertEqual((status, account_id), (2, 12))
        self.assertEqual(used[:10], str(fields.Date.today()))
        self.assertEqual(self.balance(12), 40)
        self.sync()
        self.assertEqual((self.coupon.state, self.coupon.account_id), ("used", self.account(12)))
        self.assertFalse(self.credit().exception)
        self.assertFalse(self.server._alerts("coupons"))

    def test_a_crash_after_astpp_has_it_changes_nothing(self):
        self.redeem()
        entry = self.apply()
        entry.write({"state": "waiting"})
        self.sync()
        self.apply()
        self.assertEqual((entry.state, self.balance(12)), ("applied", 40))
        self.assertFalse(self.credit().exception)

    def test_used_there_is_refused_here(self):
        self.redeem_in_astpp(12)
        self.sync()
        with self.assertRaisesRegex(UserError, "Used"):
            self.redeem()

    def test_used_there_before_it_is_told(self):
        """Odoo's redemption comes second: nothing is credited there, and the credit here is held."""
        self.redeem()
        self.redeem_in_astpp(13)
        entry = self.apply()
        self.assertEqual(entry.state, "skipped")
        self.assertIn("is used in ASTPP by the account with the ID 13", entry.message)
        self.assertEqual(self.balance(12), 20)
        self.assertEqual(self.in_astpp()[:2], (2, 13))
        self.assertEqual(self.credit().exception, "coupon")
        self.assertIn("is used in ASTPP", self.server._alerts("coupons").note)

    def test_used_there_is_seen_by_the_synchronisation(self):
        self.redeem()
        self.redeem_in_astpp(13)
        self.sync()
        self.assertEqual(self.coupon.account_id, self.account(13), "ASTPP's customer has it")
        self.assertEqual(self.credit().exception, "coupon")
        self.assertFalse(self.apply(), "nothing is left to be written")
        alert = self.server._alerts("coupons")
        self.assertIn("C13", alert.note)
        alert.unlink()
        self.sync()
        self.assertFalse(self.server._alerts("coupons"), "told once")

    def test_used_by_the_same_customer_on_both_sides(self):
        self.redeem()
        self.redeem_in_astpp(12)
        self.sync()
        self.apply()
        self.assertEqual((self.credit().exception, self.balance(12)), ("coupon", 20))

    def test_without_write_back(self):
        self.server.write_credit = False
        self.redeem()
        self.redeem_in_astpp(12)
        self.sync()
        self.assertEqual(self.credit().exception, "coupon", "ASTPP has credited it")

    def test_coupon_that_is_switched_off_or_gone_in_astpp(self):
        for statement, text in (
            ("UPDATE refill_coupon SET status = 1", "is inactive in ASTPP"),
            ("DELETE FROM refill_coupon", "no coupon with the ID 7 any more"),
        ):
            with self.subTest(text), self.env.cr.savepoint() as savepoint:
                self.redeem()
                self.mariadb.execute(statement)
                self.assertIn(text, self.apply().message)
                self.assertEqual(self.credit().exception, "coupon")
                savepoint.close(rollback=True)

    def test_coupons_of_odoo_are_no_rows_of_astpp(self):
        self.env["astpp.coupon"]._generate(
            1, 10, {"server_id": self.server.id, "batch": "b", "amount": 5, "currency_id": self.server.currency_id.id}
        )
        own = self.env["astpp.coupon"].search([("batch", "=", "b")])
        self.env["astpp.coupon"]._redeem(own.number, self.account(12))
        self.assertEqual(self.apply().state, "applied")
        self.assertEqual((self.balance(12), self.in_astpp()[0]), (25, 0))
