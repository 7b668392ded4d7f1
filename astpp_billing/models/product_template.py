from odoo import api, fields, models


class ProductTemplate(models.Model):
    """A product as ASTPP sells it."""

    _inherit = "product.template"

    astpp_type = fields.Selection(
        [
            ("package", "Package"),
            ("subscription", "Subscription"),
            ("topup", "Top-up"),
            ("did", "DID"),
            ("call", "Call Charge"),
        ],
        string="ASTPP Product Type",
    )
    astpp_server_id = fields.Many2one("astpp.server", string="ASTPP Server", ondelete="restrict", copy=False)
    astpp_product_id = fields.Integer(string="ASTPP Product ID", aggregator=None, copy=False)
    astpp_recurring = fields.Boolean(string="Renews")
    astpp_period_days = fields.Integer(string="Days per Period")
    astpp_setup_fee = fields.Float(string="Setup Fee", digits="Product Price")
    astpp_free_minutes = fields.Integer(string="Included Minutes")
    astpp_direction = fields.Selection(
        [("inbound", "Incoming"), ("outbound", "Outgoing"), ("both", "Both")], string="Covers Calls"
    )
    astpp_release_without_funds = fields.Boolean(
        string="End Without Funds", help="Ends at renewal when prepaid funds are short; else the balance goes negative."
    )
    astpp_can_purchase = fields.Boolean(string="May Be Bought")
    astpp_can_resell = fields.Boolean(string="May Be Resold")
    astpp_snapshot = fields.Json(copy=False, readonly=True, help="What ASTPP said last.")

    _astpp_product_uniq = models.UniqueIndex(
        "(astpp_server_id, astpp_product_id) WHERE astpp_server_id IS NOT NULL",
        "This product of ASTPP is in Odoo already.",
    )

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
                to_create.append(vals | ids | fixed | {"astpp_snapshot": vals})
                continue
            before = product.astpp_snapshot or {}
            # As in astpp.synced.mixin: what ASTPP changed, and nobody here.
            news = {
                name: value
                for name, value in vals.items()
                if value != before.get(name) and product[name] == before.get(name, product[name])
            }
            if vals != before:
                product.write(news | {"astpp_snapshot": vals})
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
            "astpp_period_days": record.billing_days,
            "astpp_setup_fee": float(record.setup_fee),
            "astpp_free_minutes": record.free_minutes,
            "astpp_direction": record.direction,
            "astpp_release_without_funds": record.release_without_funds,
            "astpp_can_purchase": record.can_purchase,
            "astpp_can_resell": record.can_resell,
        }
