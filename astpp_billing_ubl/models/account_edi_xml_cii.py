from odoo import models


class AccountEdiXmlCii(models.AbstractModel):
    """Name the issuer as the seller in Factur-X, whose builder reads the company in several places."""

    _inherit = "account.edi.xml.cii"

    def _export_invoice(self, invoice):
        if invoice._astpp_is_resellers():
            # The tax categories depend on the seller's country.
            self = self.with_context(astpp_seller_id=invoice._astpp_seller().id)  # noqa: PLW0642
        return super()._export_invoice(invoice)

    def _astpp_supplier(self, supplier):
        return self.env["res.partner"].browse(self.env.context.get("astpp_seller_id") or supplier.id)

    def _get_tax_category_code(self, customer, supplier, tax):
        return super()._get_tax_category_code(customer, self._astpp_supplier(supplier), tax)

    def _get_tax_exemption_reason(self, customer, supplier, tax):
        return super()._get_tax_exemption_reason(customer, self._astpp_supplier(supplier), tax)

    def _export_invoice_vals(self, invoice):
        vals = super()._export_invoice_vals(invoice)
        if invoice._astpp_is_resellers():
            vals["seller_specified_legal_organization"] = invoice._astpp_seller().company_registry
        return vals

    def _export_invoice_constraints(self, invoice, vals):
        """Check what Factur-X wants to know of the seller on the issuer, not on the company."""
        constraints = super()._export_invoice_constraints(invoice, vals)
        if invoice._astpp_is_resellers():
            seller = invoice._astpp_seller()
            constraints |= {
                "seller_postal_address": self._check_required_fields(seller, "country_id"),
                "seller_identifier": self._check_required_fields(seller, ["vat"]),
                "seller_phone": self._check_required_fields(seller, ["phone"]),
                "seller_email": self._check_required_fields(seller, "email"),
                "intracom_seller_vat": self._check_required_fields(seller, "vat")
                if vals["intracom_delivery"]
                else None,
            }
        return constraints
