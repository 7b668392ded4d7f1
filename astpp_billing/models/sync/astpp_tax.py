from odoo import api, fields, models

from ...connector import readers
from ...left_out import LeftOut


class AstppTax(models.Model):
    """A tax in ASTPP and the Odoo taxes used for it."""

    _name = "astpp.tax"
    _description = "ASTPP Tax"
    _inherit = ["astpp.synced.mixin"]
    _check_company_auto = True

    name = fields.Char(required=True)
    company_id = fields.Many2one(related="server_id.company_id", store=True)
    rate = fields.Float(digits=(16, 5), help="Percent.")
    flat_amount = fields.Float(
        digits=(16, 5), help="In the server's base currency. It is added once to each invoice, as a fixed tax."
    )
    tax_ids = fields.Many2many(
        "account.tax",
        string="Odoo Taxes",
        domain="[('type_tax_use', '=', 'sale'), ('company_id', '=', company_id)]",
        check_company=True,
        help="What invoices use. Change it to your own taxes; later synchronisations respect it.",
    )

    _astpp_owned = frozenset({"name", "rate", "flat_amount"})
    _astpp_uniq = models.UniqueIndex("(server_id, astpp_id)")

    @api.model
    def _sync(self, run):
        """Mirror ASTPP's taxes and map new ones to Odoo taxes of the same rate, as part of the step for accounts.

        :return: ``LeftOut`` with the taxes that exist in ASTPP but could not be mirrored
        """
        left_out = LeftOut()
        wanted = {
            tax.id: {"name": tax.name, "rate": float(tax.rate), "flat_amount": float(tax.flat)}
            for tax in readers.read_taxes(run.database, left_out.add)
        }
        self._merge_synced(run.server, wanted, left_out)
        return left_out

    def _row_name(self, astpp_id):
        return self.env._("Tax with the ID %s", astpp_id)

    def _after_merge(self, created):
        res = super()._after_merge(created)
        for tax in created:
            tax.tax_ids = tax._find_tax("percent", tax.rate) | tax._find_tax("fixed", tax.flat_amount)
        return res

    def _find_tax(self, amount_type, amount):
        """Return a sales tax of this type and amount, creating it if the company has none."""
        taxes = self.env["account.tax"]
        if not amount:
            return taxes
        company = self.server_id.company_id
        sales = [*taxes._check_company_domain(company), ("type_tax_use", "=", "sale")]
        domain = [
            *sales,
            ("amount_type", "=", amount_type),
            ("amount", "=", amount),
            # Flat taxes are charged once per invoice in the server's currency; the company's own taxes never are.
            ("astpp_currency_id", "=", self.server_id.currency_id.id if amount_type == "fixed" else False),
            ("price_include_override", "in", (False, "tax_excluded")),
        ]
        if known := taxes.search(domain, limit=1):
            return known
        name = f"{self.name} ({amount_type})" if amount_type == "fixed" else self.name
        # Two of ASTPP's taxes may share a name; Odoo's may not.
        taken = taxes.search_count([*sales, ("name", "=", name)], limit=1)
        return taxes.create(
            {
                "name": f"{name} {amount:g}" if taken else name,
                "type_tax_use": "sale",
                "amount_type": amount_type,
                "amount": amount,
                "astpp_currency_id": self.server_id.currency_id.id if amount_type == "fixed" else False,
                "company_id": company.id,
            }
        )
