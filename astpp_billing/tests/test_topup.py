from stdnum import luhn

from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestTopup(AstppCommon):
    """Top-ups and coupons are invoiced, paid and credited once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.account = cls.make_account(payment_mode="prepaid")
        cls.advance = cls.env["account.account"].create(
            {"name": "Customer Advances", "code": "ASTPP212", "account_type": "liability_current"}
        )
        cls.product = cls.make_product("topup", price=0)

    def topup(self, amount=50, **values):
        topup = self.env["astpp.topup"].create(
            {"account_id": self.account.id, "product_id": self.product.id, "amount": amount, **values}
        )
        topup.action_confirm()
        return topup

    def queued(self):
        return self.env["astpp.outbox"].sudo().search([("account_id", "=", self.account.id)], order="id")

    def pay(self, move, **values):
        self.env["account.payment.register"].with_context(active_model="account.move", active_ids=move.ids).create(
            values
        )._create_payments()

    def test_paid_at_once(self):
        self.operator.advance_account_id = self.advance
        topup = self.topup(payment_journal_id=self.company_data["default_journal_bank"].id)
        self.assertEqual((topup.state, topup.move_id.name[:4]), ("credited", "INV_"))
        self.assertIn(topup.move_id.payment_state, ("paid", "in_payment"))
        self.assertEqual(topup.move_id.invoice_line_ids.account_id, self.advance)
        self.assertEqual(self.queued().mapped("amount"), [50])
        line = self.env["astpp.usage"].search([("account_id", "=", self.account.id)])
        self.assertEqual((line.charge_type, line.amount, line.prepaid), ("topup", -50, True))

    def test_credit_waits_for_the_payment(self):
        topup = self.topup()
        self.assertEqual((topup.state, len(self.queued())), ("invoiced", 0))
        self.assertNotEqual(topup.move_id.invoice_line_ids.account_id, self.advance)
        self.pay(topup.move_id, amount=20)
        self.assertEqual(topup.state, "invoiced", "a part is not enough")
        self.pay(topup.move_id)
        self.assertEqual((topup.state, self.queued().mapped("amount")), ("credited", [50]))

    def test_taken_back_in_parts(self):
        """Credit notes take back what was credited, never more, and each only once."""
        topup = self.topup(payment_journal_id=self.company_data["default_journal_bank"].id)
        move = topup.move_id
        for share, amounts in ((0.6, [50, -30]), (1, [50, -30, -20])):
            credit = move._reverse_moves([{"invoice_date": move.invoice_date}])
            credit.invoice_line_ids.price_unit = 50 * share
            credit.action_post()
            credit.button_draft()
            credit.action_post()
            self.assertEqual(self.queued().mapped("amount"), amounts)
        self.assertEqual(topup.state, "reversed")

    def test_taken_back(self):
        topup = self.topup(payment_journal_id=self.company_data["default_journal_bank"].id)
        reversal = (
            self.env["account.move.reversal"]
            .with_context(active_model="account.move", active_ids=topup.move_id.ids)
            .create({"journal_id": topup.move_id.journal_id.id})
        )
        credit = self.env["account.move"].browse(reversal.refund_moves()["res_id"])
        credit.invoice_line_ids.price_unit = 20
        credit.action_post()
        self.assertEqual((topup.state, self.queued().mapped("amount")), ("credited", [50, -20]))

    def test_postpaid_is_refused_and_unpaid_is_cancelled(self):
        with self.assertRaisesRegex(UserError, "postpaid"):
            self.env["astpp.topup"].create(
                {"account_id": self.customer.id, "product_id": self.product.id, "amount": 5}
            ).action_confirm()
        topup = self.topup()
        topup.action_cancel()
        self.assertEqual((topup.state, topup.move_id.state), ("cancelled", "cancel"))

    def test_coupons(self):
        wizard = self.env["astpp.coupon.generate"].create({"count": 30, "amount": 10, "expiry_date": "2024-06-30"})
        action = wizard.action_generate()
        coupons = self.env["astpp.coupon"].search(action["domain"])
        self.assertEqual((len(set(coupons.mapped("number"))), set(map(len, coupons.mapped("number")))), (30, {12}))
        coupon = coupons[0]
        self.assertTrue(luhn.is_valid(coupon.number))
        with freeze_time("2024-06-30 10:00:00"):
            spaced = f"{coupon.number[:4]} {coupon.number[4:]}"
            self.env["astpp.coupon.redeem"].create({"account_id": self.account.id, "number": spaced}).action_redeem()
            self.assertEqual((coupon.state, coupon.account_id), ("used", self.account))
            self.assertEqual(self.queued().mapped("amount"), [10])
            with self.assertRaisesRegex(UserError, "Used"):
                self.env["astpp.coupon"]._redeem(coupon.number, self.customer)
        with freeze_time("2024-07-01 10:00:00"), self.assertRaisesRegex(UserError, "Expired"):
            self.env["astpp.coupon"]._redeem(coupons[1].number, self.account)
        with self.assertRaisesRegex(UserError, "no coupon"):
            self.env["astpp.coupon"]._redeem("000000000018", self.account)
        with self.assertRaises(UserError):
            coupon.unlink()

    def test_coupons_are_printed(self):
        coupons = self.env["astpp.coupon"]._generate(
            3, 16, {"server_id": self.server.id, "amount": 10, "currency_id": self.server.currency_id.id, "batch": "B"}
        )
        coupons[0].state = "used"
        report = (
            self.env["ir.actions.report"]._render_qweb_html("astpp_billing.report_coupons", coupons.ids)[0].decode()
        )
        number = coupons[1].number
        self.assertIn(" ".join(number[start : start + 4] for start in range(0, 16, 4)), report)
        self.assertNotIn(coupons[0].number[:4] + " " + coupons[0].number[4:8], report)

    def test_coupon_of_another_issuer(self):
        coupon = self.env["astpp.coupon"]._generate(
            1, 12, {"server_id": self.server.id, "issuer_id": self.reseller_issuer.id, "amount": 5,
                    "currency_id": self.server.currency_id.id, "batch": "B"},
        )  # fmt: skip
        with self.assertRaisesRegex(UserError, "no coupon"):
            self.env["astpp.coupon"]._redeem(coupon.number, self.account)
        self.env["astpp.coupon"]._redeem(coupon.number, self.reseller_customer)
        usage = self.env["astpp.usage"].search([("account_id", "=", self.reseller_customer.id)])
        self.assertEqual(
            (usage.charge_type, usage.amount, usage.prepaid), ("voucher", -5, False), "on the next invoice"
        )

    def test_recognition(self):
        """What was used moves from liability to income, each line once, and the check confirms it."""
        self.operator.advance_account_id = self.advance
        self.load_calls(self.account, "1.25", "2.5")
        self.load_calls(self.account, "7", callstart="2024-02-02 10:00:00")
        other = self.make_account(payment_mode="prepaid")
        self.load_calls(other, "0.254")
        wizard = self.env["astpp.recognition"].create({"month": "2024-01-15"})
        entry = self.env["account.move"].browse(wizard.action_recognise()["domain"][0][2])
        self.assertEqual((entry.state, str(entry.date), entry.astpp_usage_count), ("posted", "2024-01-31", 3))
        owed = entry.line_ids.filtered(lambda line: line.account_id == self.advance)
        self.assertEqual(owed.debit, 4.0)
        wizard.action_recognise()
        self.assertEqual(self.env["account.move"].search_count([("astpp_recognition_month", "!=", False)]), 1)
        self.assertFalse(self.env["astpp.violation"].sudo()._check())
        self.load_calls(self.account, "3", callstart="2024-01-20 10:00:00")
        late = self.env["astpp.recognition"].create({"month": "2024-02-15"}).action_recognise()
        self.assertEqual(self.env["account.move"].browse(late["domain"][0][2]).amount_total, 10, "the late call too")
        entry.button_draft()
        entry.button_cancel()
        free = self.env["astpp.usage"].search([("prepaid", "=", True), ("move_line_id", "=", False)])
        self.assertEqual(len(free), 3)
        self.bill(self.account, other)
        self.assertFalse(self.account.move_ids, "prepaid usage is on no invoice")
