"""Failures of accounts become failures of the periods concerned; runs that were not done get the list of what is left."""

from odoo import SUPERUSER_ID, api


def migrate(cr, _version):
    cr.execute(
        "SELECT 1 FROM information_schema.columns WHERE table_name = 'astpp_account' AND column_name = 'billing_retry_date'"
    )
    if not cr.fetchone():
        return
    # The last failure of each account is the open one; earlier ones stay as they are.
    cr.execute(
        """
        UPDATE astpp_billing_result r
           SET message = a.billing_error, failures = a.billing_failures, retry_date = a.billing_retry_date,
               period_start = COALESCE(a.billed_until, r.period_start, r.create_date),
               period_end = COALESCE(a.next_period_end, r.period_end, r.create_date)
          FROM astpp_account a
         WHERE a.billing_retry_date IS NOT NULL
           AND r.id = (SELECT max(id) FROM astpp_billing_result WHERE account_id = a.id AND state = 'failed')
        """
    )
    cr.execute(
        """
        ALTER TABLE astpp_account DROP COLUMN billing_error, DROP COLUMN billing_failures, DROP COLUMN billing_retry_date
        """
    )
    env = api.Environment(cr, SUPERUSER_ID, {})
    for run in env["astpp.billing.run"].search([("state", "in", ("running", "stopped"))], order="id"):
        run._write_list(run._due_periods())
