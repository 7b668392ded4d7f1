from odoo import api, fields, models


class AstppCoupon(models.Model):
    """A refill coupon: prepaid credit under a secret number."""

    _name = "astpp.coupon"
    _description = "Refill Coupon"
    _inherit = ["astpp.synced.mixin"]
    _order = "id desc"
    _rec_name = "number"

    number = fields.Char(required=True, index=True)
    company_id = fields.Many2one(related="server_id.company_id", store=True)
    amount = fields.Monetary()
    currency_id = fields.Many2one("res.currency", required=True)
    state = fields.Selection(
        [("unused", "Unused"), ("inactive", "Inactive"), ("used", "Used"), ("expired", "Expired")], required=True
    )
    account_id = fields.Many2one("astpp.account", string="Redeemed By", index="btree_not_null")
    reseller_id = fields.Many2one("astpp.account")
    used_date = fields.Datetime()
    created_date = fields.Datetime()
    description = fields.Char()

    _astpp_owned = frozenset({"number", "state", "account_id", "used_date"})
    _astpp_uniq = models.UniqueIndex("(server_id, astpp_id) WHERE astpp_id IS NOT NULL AND astpp_id != 0")

    @api.model
    def _sync(self, server, records):
        """Mirror ASTPP's coupons: iterable of ``connector.records.Coupon``."""
        accounts = server._synced_ids("astpp.account")
        currencies = {
            currency.name: currency.id
            for currency in self.env["res.currency"].with_context(active_test=False).search([])  # pylint: disable=no-search-all
        }
        return self._merge_synced(
            server,
            {
                coupon.id: {
                    "number": coupon.number,
                    "amount": float(coupon.amount),
                    "currency_id": currencies.get(coupon.currency) or server.currency_id.id,
                    "state": coupon.state,
                    "account_id": accounts.get(coupon.account_id, False),
                    "reseller_id": accounts.get(coupon.reseller_id, False),
                    "used_date": coupon.used if coupon.state == "used" else False,
                    "created_date": coupon.created,
                    "description": coupon.description,
                }
                for coupon in records
            },
        )
