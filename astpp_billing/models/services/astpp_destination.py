from odoo import api, fields, models
from odoo.exceptions import ValidationError


class AstppDestination(models.Model):
    """A number prefix covered by a package's included minutes."""

    _name = "astpp.destination"
    _description = "Package Destination"
    _order = "prefix, id"
    _rec_name = "prefix"

    product_tmpl_id = fields.Many2one("product.template", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="product_tmpl_id.company_id", store=True)
    prefix = fields.Char(required=True, help="The digits that the number called begins with, country code first.")
    name = fields.Char(string="Destination")

    _prefix_uniq = models.Constraint("UNIQUE(product_tmpl_id, prefix)", "A product has each prefix once.")

    @api.constrains("prefix")
    def _check_prefix(self):
        for destination in self:
            if not destination.prefix.isdecimal():
                raise ValidationError(self.env._("The prefix “%s” is no row of digits.", destination.prefix))
