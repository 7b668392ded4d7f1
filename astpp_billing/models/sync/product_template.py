from odoo import api, models
from odoo.fields import Command

from ...connector import readers
from ...left_out import put_away
from ...renewal_period import bounded
from ...three_way import news


class ProductTemplate(models.Model):
    """Mirror ASTPP's products."""

    _inherit = "product.template"

    @api.model
    def _astpp_sync(self, run):
        """Mirror ASTPP's products, and put resellers' own prices for them on pricelists."""
        products = list(readers.read_products(run.database, run.left_out.add))
        created, changed = self._astpp_mirror(run.server, products, run.left_out)
        prices = list(readers.read_reseller_prices(run.database, run.left_out.add))
        written = self.env["astpp.issuer"]._put_all_prices(run.server, prices, run.left_out)
        run.note(len(products) + len(prices), len(created), len(changed) + written)

    @api.model
    def _astpp_mirror(self, server, records, left_out):
        """Create new products and update changed ones from ASTPP.

        :param records: list of ``connector.records.Product``
        :param left_out: ``LeftOut`` that collects products that Odoo refuses
        :return: (created, changed)
        """
        known = {
            product.astpp_product_id: product
            for product in self.with_context(active_test=False).search([("astpp_server_id", "=", server.id)])
        }
        wanted = {record.id: self._astpp_vals(record) for record in records}
        news = {
            key: news(product.astpp_snapshot or {}, vals, {name: product._astpp_value(name) for name in vals})
            for key, vals in wanted.items()
            if (product := known.get(key)) and vals != (product.astpp_snapshot or {})
        }

        def change(keys):
            products = self.browse(known[key].id for key in keys)
            for key, product in zip(keys, products, strict=True):
                product.write(product._astpp_commands(news[key]) | {"astpp_snapshot": wanted[key]})
            return products

        def create(keys):
            fixed = {"type": "service", "purchase_ok": False, "company_id": server.company_id.id}
            return self.create(
                [
                    self._astpp_commands(wanted[key])
                    | {"astpp_server_id": server.id, "astpp_product_id": key, "astpp_snapshot": wanted[key]}
                    | fixed
                    for key in keys
                ]
            )

        def name(key):
            return self.env._("Product with the ID %s", key)

        changed = put_away(self, list(news), change, left_out, name)
        created = put_away(self, [key for key in wanted if key not in known], create, left_out, name)
        return self.union(*created), self.union(*changed)

    @api.model
    def _astpp_vals(self, record):
        return {
            "name": record.name,
            "list_price": float(record.price),
            "sale_ok": record.can_purchase,
            "active": record.active,
            "astpp_type": record.category,
            "astpp_recurring": record.recurring,
            "astpp_period_count": bounded("day", record.billing_days),
            "astpp_period_unit": "day",
            "astpp_setup_fee": float(record.setup_fee),
            "astpp_free_minutes": record.free_minutes,
            "astpp_direction": record.direction,
            "astpp_release_without_funds": record.release_without_funds,
            "astpp_can_purchase": record.can_purchase,
            "astpp_can_resell": record.can_resell,
            "astpp_commission": float(record.commission),
            "astpp_destination_ids": [[prefix, name or False] for prefix, name in record.prefixes],
        }

    def _astpp_value(self, name):
        """Return a field's value in the format of the snapshot."""
        if name == "astpp_destination_ids":
            return [[line.prefix, line.name] for line in self.astpp_destination_ids.sorted("id")]
        return self[name]

    def _astpp_commands(self, vals):
        if "astpp_destination_ids" not in vals:
            return vals
        lines = [Command.create({"prefix": prefix, "name": name}) for prefix, name in vals["astpp_destination_ids"]]
        return vals | {"astpp_destination_ids": [Command.clear(), *lines]}
