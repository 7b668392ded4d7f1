def migrate(cr, version):
    """Journals know whether they hold numbers of issuers."""
    cr.execute(
        """
        UPDATE account_journal SET astpp_has_series = TRUE
         WHERE id IN (SELECT journal_id FROM account_move WHERE astpp_series IS NOT NULL)
        """
    )
