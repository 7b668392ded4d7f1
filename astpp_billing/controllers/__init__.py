from . import charge_export, portal, portal_services, usage_import
