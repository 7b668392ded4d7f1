from odoo import fields, models


class ProductPricelistItem(models.Model):
    """A price rule may set the setup fee as well as the price."""

    _inherit = "product.pricelist.item"

    astpp_own_setup_fee = fields.Boolean(string="Own Setup Fee", help="Else the product's setup fee is charged.")
    astpp_setup_fee = fields.Float(string="Setup Fee", digits="Product Price", help="In the pricelist's currency.")
