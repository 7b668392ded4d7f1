from . import (
    charge_export,
    paypal,
    portal,
    portal_disputes,
    portal_payment,
    portal_reseller,
    portal_reseller_invoices,
    portal_services,
    usage_import,
)
