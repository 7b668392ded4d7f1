from odoo import api, fields, models
from odoo.exceptions import UserError

MOST = 10_000


class AstppCouponGenerate(models.TransientModel):
    """Generate a batch of refill coupons."""

    _name = "astpp.coupon.generate"
    _description = "Generate Coupons"

    server_id = fields.Many2one(
        "astpp.server",
        required=True,
        default=lambda self: self.env["astpp.server"].search([("company_id", "=", self.env.company.id)], limit=1),
    )
    company_id = fields.Many2one(related="server_id.company_id")
    issuer_id = fields.Many2one(
        "astpp.issuer",
        domain="[('company_id', '=', company_id)]",
        help="Whose customers may redeem them. Empty: anybody.",
    )
    count = fields.Integer(string="Number of Coupons", required=True, default=100)
    digits = fields.Integer(required=True, default=12, help="Length of a number; the last digit checks the others.")
    amount = fields.Monetary(required=True)
    currency_id = fields.Many2one(
        "res.currency", required=True, compute="_compute_currency_id", store=True, readonly=False, precompute=True
    )
    expiry_date = fields.Date()
    description = fields.Char()

    @api.depends("server_id")
    def _compute_currency_id(self):
        for wizard in self:
            wizard.currency_id = wizard.server_id.currency_id

    def action_generate(self):
        """Generate the batch and show it, ready to be exported or printed."""
        self.ensure_one()
        self.env["astpp.coupon"].check_access("create")
        if not 1 <= self.count <= MOST or not 8 <= self.digits <= 19 or self.amount <= 0:
            raise UserError(
                self.env._("A batch has 1 to %s coupons of 8 to 19 digits, and an amount above zero.", MOST)
            )
        batch = self.env["ir.sequence"].sudo().next_by_code("astpp.coupon.batch")
        vals = {
            "server_id": self.server_id.id,
            "issuer_id": self.issuer_id.id,
            "amount": self.amount,
            "currency_id": self.currency_id.id,
            "expiry_date": self.expiry_date,
            "description": self.description,
            "batch": batch,
        }
        self.env["astpp.coupon"]._generate(self.count, self.digits, vals)
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_coupon")
        return action | {"domain": [("batch", "=", batch)], "context": {}}
