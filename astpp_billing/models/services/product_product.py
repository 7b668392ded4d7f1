from odoo import fields, models


class ProductProduct(models.Model):
    _inherit = "product.product"

    def _astpp_price(self, account, quantity=1, date=None):
        """Return the product's price for an account, by its issuer's pricelist.

        :param account: ``astpp.account``; a reseller buys at the prices of the issuer above it
        :param date: date of the prices, naive UTC; now by default
        :return: (price per period and piece, setup fee per piece), in the server's base currency
        """
        self.ensure_one()
        date = date or fields.Datetime.now()
        currency, company = account.server_id.currency_id, account.company_id
        pricelist = account.issuer_id.pricelist_id
        price, rule_id = pricelist._get_product_price_rule(self, quantity, currency=currency, date=date)
        rule = self.env["product.pricelist.item"].browse(rule_id)
        if rule.astpp_own_setup_fee:
            fee, fee_currency = rule.astpp_setup_fee, rule.currency_id
        else:
            fee, fee_currency = self.astpp_setup_fee, self.currency_id
        return price, fee_currency._convert(fee, currency, company, date, round=False)

    def action_view_astpp_subscriptions(self):
        """Open the subscriptions of the product."""
        return self.product_tmpl_id.action_view_astpp_subscriptions()
