{
    "name": "ASTPP Billing: E-Invoices",
    "version": "19.0.1.0.0",
    "category": "Accounting",
    "summary": "The issuer of an ASTPP invoice is the seller in UBL, XRechnung and Factur-X",
    "author": "astpp_billing contributors",
    "website": "https://github.com/astpp-billing/astpp_billing",
    "license": "LGPL-3",
    # Glue between two addons, so that the main one need not depend on electronic invoices.
    "depends": ["astpp_billing", "account_edi_ubl_cii"],
    "data": ["views/cii_templates.xml"],
    "auto_install": True,
}
