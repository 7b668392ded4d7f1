from . import charge_export, paypal, portal, portal_payment, portal_services, usage_import
