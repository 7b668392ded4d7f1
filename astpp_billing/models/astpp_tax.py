from odoo import api, fields, models


class AstppTax(models.Model):
    """A tax of ASTPP and the Odoo taxes that stand for it."""

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
    def _sync(self, server, records):
        """Mirror ASTPP's taxes and give new ones Odoo taxes of the same rate."""
        created, changed = self._merge_synced(
            server,
            {tax.id: {"name": tax.name, "rate": float(tax.rate), "flat_amount": float(tax.flat)} for tax in records},
        )
        for tax in created:
            tax.tax_ids = tax._find_tax("percent", tax.rate) | tax._find_tax("fixed", tax.flat_amount)
        return created, changed

    def _find_tax(self, amount_type, amount):
        """Return a sales tax of this kind and amount, made when the company has none."""
        taxes = self.env["account.tax"]
        if not amount:
            return taxes
        company = self.server_id.company_id
        domain = [
            *taxes._check_company_domain(company),
            ("type_tax_use", "=", "sale"),
            ("amount_type", "=", amount_type),
            ("amount", "=", amount),
            # Once an invoice, in the server's currency: no tax of the company's own is like that.
            ("astpp_currency_id", "=", self.server_id.currency_id.id if amount_type == "fixed" else False),
            ("price_include_override", "in", (False, "tax_excluded")),
        ]
        return taxes.search(domain, limit=1) or taxes.create(
            {
                "name": f"{self.name} ({amount_type})" if amount_type == "fixed" else self.name,
                "type_tax_use": "sale",
                "amount_type": amount_type,
                "amount": amount,
                "astpp_currency_id": self.server_id.currency_id.id if amount_type == "fixed" else False,
                "company_id": company.id,
            }
        )
