from odoo import fields, models


class AstppCouponRedeem(models.TransientModel):
    """Redeem a coupon for a customer."""

    _name = "astpp.coupon.redeem"
    _description = "Redeem a Coupon"

    account_id = fields.Many2one("astpp.account", required=True, default=lambda self: self.env.context.get("active_id"))
    number = fields.Char(required=True)

    def action_redeem(self):
        """Credit the account with the coupon."""
        self.ensure_one()
        self.account_id.check_access("write")
        coupon = self.env["astpp.coupon"]._redeem(self.number, self.account_id)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("Credited: %s", coupon.currency_id.format(coupon.amount)),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }
