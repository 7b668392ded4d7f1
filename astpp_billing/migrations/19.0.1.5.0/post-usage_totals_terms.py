"""Accounts have terms by date. Before, usage noted whether it was paid live, and all else followed the account."""

from odoo import SUPERUSER_ID, api


def migrate(cr, _version):
    env = api.Environment(cr, SUPERUSER_ID, {})
    # Accounts that changed between prepaid and postpaid: what waits says which mode there was when.
    cr.execute("""
        INSERT INTO astpp_account_term (account_id, company_id, date_from, parent_id, issuer_id, partner_id, payment_mode,
                                        elsewhere)
        SELECT a.id, a.company_id, CASE WHEN turn.number = 1 THEN '1970-01-01' ELSE turn.date END, a.parent_id, a.issuer_id,
               a.partner_id, CASE WHEN turn.prepaid THEN 'prepaid' ELSE 'postpaid' END, FALSE
          FROM (SELECT account_id, date, prepaid, row_number() OVER (PARTITION BY account_id ORDER BY date, id) AS number
                  FROM (SELECT u.account_id, u.date, u.id, u.prepaid,
                               lag(u.prepaid) OVER (PARTITION BY u.account_id ORDER BY u.date, u.id) AS before
                          FROM astpp_usage u JOIN astpp_usage_total t ON t.id = u.total_id
                         WHERE t.move_line_id IS NULL
                           AND u.account_id IN (SELECT o.account_id
                                                  FROM astpp_usage_total o JOIN astpp_account h ON h.id = o.account_id
                                                 WHERE o.move_line_id IS NULL AND o.lines > 0
                                                   AND o.prepaid <> (h.payment_mode = 'prepaid'))
                       ) AS line
                 WHERE before IS NULL OR before <> prepaid
               ) AS turn
          JOIN astpp_account a ON a.id = turn.account_id
         WHERE a.issuer_id IS NOT NULL
   ON CONFLICT (account_id, date_from) DO NOTHING
    """)
    env["astpp.account"].with_context(active_test=False).search([])._keep_terms()
