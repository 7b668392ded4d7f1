from odoo import api, fields, models

from ...charge_types import SUBSCRIBED


class SaleOrderLine(models.Model):
    """Lines that create subscriptions are invoiced by billing runs, not by the order."""

    _inherit = "sale.order.line"

    astpp_did_id = fields.Many2one(
        "astpp.did",
        string="DID",
        check_company=True,
        domain="[('state', 'in', ('free', 'reserved'))]",
        help="The number that is rented.",
    )
    is_astpp_did = fields.Boolean(compute="_compute_is_astpp_did")

    @api.depends("product_id")
    def _compute_is_astpp_did(self):
        for line in self:
            line.is_astpp_did = line.product_id.astpp_type == "did"

    @api.depends("astpp_did_id")
    def _compute_name(self):
        return super()._compute_name()

    @api.depends("astpp_did_id")
    def _compute_price_unit(self):
        res = super()._compute_price_unit()
        for line in self.filtered(lambda line: line.astpp_did_id.price and line.state == "draft"):
            did = line.astpp_did_id
            line.price_unit = did.currency_id._convert(
                did.price, line.currency_id, line.company_id, line.order_id.date_order
            )
        return res

    def _get_sale_order_line_multiline_description_sale(self):
        description = super()._get_sale_order_line_multiline_description_sale()
        if self.astpp_did_id:
            description += f"\n{self.astpp_did_id.number}"
        account = self.order_id.astpp_account_id.sudo()
        if self.product_id.astpp_type in SUBSCRIBED and account and (fee := self._astpp_setup_fee(account)):
            currency = account.server_id.currency_id
            description += "\n" + self.env._("Plus a setup fee of %s, once", currency.format(fee))
        return description

    def _astpp_setup_fee(self, account):
        """Return the setup fee per piece in the server's base currency: the number's own, or the product's."""
        return self.astpp_did_id.setup_fee or self.product_id._astpp_price(account)[1]

    def _compute_qty_to_invoice(self):
        res = super()._compute_qty_to_invoice()
        for line in self:
            if line.product_id.astpp_type in SUBSCRIBED:
                line.qty_to_invoice = 0
        return res

    def _compute_invoice_status(self):
        res = super()._compute_invoice_status()
        for line in self:
            if line.product_id.astpp_type in SUBSCRIBED:
                line.invoice_status = "no"
        return res

    def _astpp_fulfil(self):
        """Create and start the subscriptions and top-ups of these lines, once for each line."""
        subscriptions = self.env["astpp.subscription"]
        known = subscriptions.search([("sale_line_id", "in", self.ids)]).sale_line_id
        ordered = (self - known).filtered(lambda line: line.product_id.astpp_type in SUBSCRIBED)
        created = subscriptions.create([line._astpp_subscription_vals() for line in ordered])
        created._start_with_levels()
        topups = self.filtered(lambda line: line.product_id.astpp_type == "topup")
        self.env["astpp.topup"]._sell(topups)

    def _astpp_subscription_vals(self):
        self.ensure_one()
        order, account = self.order_id, self.order_id.astpp_account_id
        price = self.price_unit * (1 - self.discount / 100)
        return {
            "account_id": account.id,
            "product_id": self.product_id.id,
            "did_id": self.astpp_did_id.id,
            "quantity": int(self.product_uom_qty),
            "price": order.currency_id._convert(
                price, account.server_id.currency_id, order.company_id, order.date_order, round=False
            ),
            "setup_fee": self._astpp_setup_fee(account),
            "sale_line_id": self.id,
        }
