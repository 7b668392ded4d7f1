from odoo import api, fields, models


class AccountTax(models.Model):
    """ASTPP's flat taxes: fixed amounts in the server's base currency, whatever the document's currency is."""

    _inherit = "account.tax"

    astpp_currency_id = fields.Many2one(
        "res.currency",
        string="Flat Amount In",
        readonly=True,
        help="The fixed amount is in this currency, and converted at the rate of the document. Empty: it is in the "
        "document's currency.",
    )

    @api.model
    def _add_tax_details_in_base_line(self, base_line, company, rounding_method=None):
        taxes = base_line["tax_ids"]
        flat = taxes.filtered(lambda tax: tax.amount_type == "fixed" and tax.astpp_currency_id)
        if not flat:
            return super()._add_tax_details_in_base_line(base_line, company, rounding_method)
        rates = {
            currency.id: self._astpp_flat_rate(base_line, company, currency) for currency in flat.astpp_currency_id
        }
        base_line["tax_ids"] = taxes.with_context(astpp_flat_rates=rates)
        try:
            return super()._add_tax_details_in_base_line(base_line, company, rounding_method)
        finally:
            base_line["tax_ids"] = taxes

    @api.model
    def _astpp_flat_rate(self, base_line, company, currency):
        """Return the conversion rate from a flat tax's currency to the document's currency."""
        if currency == base_line["currency_id"]:
            return 1.0
        move = getattr(base_line["record"], "move_id", None)
        day = base_line.get("astpp_date") or (move and move.invoice_date) or fields.Date.context_today(self)
        in_company = self.env["res.currency"]._get_conversion_rate(currency, company.currency_id, company, day)
        return in_company * base_line["rate"]

    def _eval_tax_amount_fixed_amount(self, batch, raw_base, evaluation_context):
        amount = super()._eval_tax_amount_fixed_amount(batch, raw_base, evaluation_context)
        if amount and (rates := self.env.context.get("astpp_flat_rates")):
            amount *= rates.get(self.astpp_currency_id.id, 1.0)
        return amount
