def migrate(cr, version):
    """The history of owners begins with those of today."""
    cr.execute(
        """
        INSERT INTO astpp_did_assignment (did_id, company_id, account_id, date_start, create_uid, create_date)
        SELECT d.id, d.company_id, d.account_id, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC'
          FROM astpp_did d
         WHERE d.account_id IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM astpp_did_assignment a WHERE a.did_id = d.id AND a.date_end IS NULL)
        """
    )
