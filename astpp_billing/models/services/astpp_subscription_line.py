from odoo import fields, models
from odoo.exceptions import UserError


class AstppSubscriptionLine(models.Model):
    """A subscription's terms from a date on: product, quantity and price."""

    _name = "astpp.subscription.line"
    _description = "Subscription Terms"
    _order = "date desc, id desc"
    _rec_name = "product_id"

    subscription_id = fields.Many2one("astpp.subscription", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="subscription_id.company_id", store=True)
    product_id = fields.Many2one("product.product", required=True, ondelete="restrict")
    quantity = fields.Integer(required=True, default=1, aggregator=None)
    price = fields.Float(digits=(20, 6), required=True, aggregator=None, help="Per period and piece, base currency.")
    date = fields.Datetime(string="From", required=True)
    applied = fields.Boolean(readonly=True, string="In Force")
    note = fields.Char()

    _planned_idx = models.Index("(date) WHERE applied IS NOT TRUE")
    _quantity_positive = models.Constraint("CHECK(quantity > 0)", "The quantity is one or more.")

    def action_cancel(self):
        """Cancel planned terms that are not in force yet."""
        if self.filtered("applied"):
            raise UserError(self.env._("Terms in force cannot be called off. Make another change instead."))
        self.subscription_id.check_access("write")
        for line in self:
            line.subscription_id.message_post(body=self.env._("Planned change called off: %s", line.product_id.name))
        # sudo: accountants may cancel planned terms, but have no right to delete terms otherwise.
        self.sudo().unlink()
        return {"type": "ir.actions.client", "tag": "soft_reload"}

    def _in_order(self):
        """Return the terms in the order of application; on the same day, those planned last come last and prevail."""
        return self.sorted(lambda line: (line.date, line.id))

    def _apply(self):
        """Copy these terms to their subscriptions and mark them as in force."""
        for line in self:
            values = {"product_id": line.product_id.id, "quantity": line.quantity}
            line.subscription_id.write(values)
            # Write the price separately: changing the product recomputes it.
            line.subscription_id.write({"price": line.price})
        self.sudo().write({"applied": True})
