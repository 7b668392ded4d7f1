from odoo import api, models
from odoo.fields import Command

from ..renewal_period import bounded


class ProductTemplate(models.Model):
    """Products as ASTPP has them."""

    _inherit = "product.template"

    @api.model
    def _astpp_sync(self, server, records):
        """Mirror ASTPP's products: iterable of ``connector.records.Product``.

        :return: (created, changed)
        """
        known = {
            product.astpp_product_id: product
            for product in self.with_context(active_test=False).search([("astpp_server_id", "=", server.id)])
        }
        to_create, changed = [], self.browse()
        for record in records:
            vals = self._astpp_vals(record)
            product = known.get(record.id)
            if not product:
                ids = {"astpp_server_id": server.id, "astpp_product_id": record.id}
                fixed = {"type": "service", "purchase_ok": False, "company_id": server.company_id.id}
                to_create.append(self._astpp_commands(vals) | ids | fixed | {"astpp_snapshot": vals})
                continue
            before = product.astpp_snapshot or {}
            # As in astpp.synced.mixin: what ASTPP changed, and nobody here.
            news = {
                name: value
                for name, value in vals.items()
                if value != before.get(name)
                and product._astpp_value(name) == before.get(name, product._astpp_value(name))
            }
            if vals != before:
                product.write(product._astpp_commands(news) | {"astpp_snapshot": vals})
                changed |= product
        return self.create(to_create), changed

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
        """Return a field as the snapshot holds it."""
        if name == "astpp_destination_ids":
            return [[line.prefix, line.name] for line in self.astpp_destination_ids.sorted("id")]
        return self[name]

    def _astpp_commands(self, vals):
        if "astpp_destination_ids" not in vals:
            return vals
        lines = [Command.create({"prefix": prefix, "name": name}) for prefix, name in vals["astpp_destination_ids"]]
        return vals | {"astpp_destination_ids": [Command.clear(), *lines]}
