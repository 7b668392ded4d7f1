from odoo import api, fields, models


class AstppDid(models.Model):
    """A phone number in the inventory."""

    _name = "astpp.did"
    _description = "DID"
    _inherit = ["mail.thread", "astpp.synced.mixin"]
    _order = "number"
    _rec_name = "number"
    _check_company_auto = True

    number = fields.Char(required=True, index=True)
    company_id = fields.Many2one(related="server_id.company_id", store=True)
    account_id = fields.Many2one("astpp.account", string="Owner", index="btree_not_null", tracking=True)
    reseller_id = fields.Many2one("astpp.account", string="Held by Reseller", index="btree_not_null", tracking=True)
    provider_id = fields.Many2one("astpp.account")
    country_id = fields.Many2one("res.country")
    city = fields.Char()
    price = fields.Float(digits=(20, 6), help="Per period, in the server's base currency.")
    astpp_product_id = fields.Integer(aggregator=None, index=True, copy=False, help="The DID's product inside ASTPP.")
    active = fields.Boolean(default=True)

    _astpp_owned = frozenset({"number", "account_id", "reseller_id", "provider_id", "astpp_product_id"})
    _astpp_uniq = models.UniqueIndex("(server_id, astpp_id) WHERE astpp_id IS NOT NULL AND astpp_id != 0")

    @api.model
    def _sync(self, server, records):
        """Mirror ASTPP's inventory: iterable of ``connector.records.Did``."""
        accounts = server._synced_ids("astpp.account")
        countries = {country.code: country.id for country in self.env["res.country"].search([("code", "!=", False)])}
        return self._merge_synced(
            server,
            {
                did.id: {
                    "number": did.number,
                    "account_id": accounts.get(did.account_id, False),
                    "reseller_id": accounts.get(did.reseller_id, False),
                    "provider_id": accounts.get(did.provider_id, False),
                    "country_id": countries.get(did.country, False),
                    "city": did.city,
                    "price": float(did.price),
                    "astpp_product_id": did.product_id,
                    "active": did.active,
                }
                for did in records
            },
        )
