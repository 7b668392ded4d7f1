def migrate(cr, version):
    """Exact duplicates of unknown accounts stay duplicates when the account becomes known."""
    cr.execute(
        """
        UPDATE astpp_usage SET second_exception = 'duplicate'
         WHERE account_id IS NULL AND source <> 'charge' AND source_key ~ '^[0-9a-f]{32}-[0-9]+$'
        """
    )
