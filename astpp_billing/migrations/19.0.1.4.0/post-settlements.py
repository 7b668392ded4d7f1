"""Settlements: the clearing accounts of before, vendor bills by a mark, and settlements whose bill is gone."""


def migrate(cr, _version):
    # What documents in a reseller's name were booked on, beside income and advances.
    cr.execute(
        """
        INSERT INTO astpp_issuer_clearing_history (astpp_issuer_id, account_account_id)
        SELECT DISTINCT i.id, l.account_id
          FROM astpp_issuer i
          JOIN account_move m ON m.astpp_issuer_id = i.id AND m.move_type IN ('out_invoice', 'out_refund')
          JOIN account_move_line l ON l.move_id = m.id AND l.display_type = 'product'
          JOIN account_account a ON a.id = l.account_id
         WHERE i.account_id IS NOT NULL
           AND a.account_type IN ('liability_current', 'liability_payable', 'asset_current')
           AND l.account_id IS DISTINCT FROM i.clearing_account_id
           AND l.account_id IS DISTINCT FROM i.advance_account_id
        ON CONFLICT DO NOTHING
        """
    )
    cr.execute(
        "UPDATE account_move SET astpp_bills_settlement = TRUE WHERE id IN (SELECT bill_id FROM astpp_settlement)"
    )
    cr.execute(
        """
        UPDATE astpp_settlement s SET state = 'draft', bill_id = NULL
         WHERE s.state = 'done'
           AND (s.bill_id IS NULL OR EXISTS (SELECT 1 FROM account_move m WHERE m.id = s.bill_id AND m.state = 'cancel'))
        """
    )
