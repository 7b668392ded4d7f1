from . import (
    test_access,
    test_account,
    test_billing_cycle,
    test_billing_run,
    test_browser,
    test_call_csv,
    test_call_record,
    test_invoice_report,
    test_numbering,
    test_usage,
    test_usage_import,
)
