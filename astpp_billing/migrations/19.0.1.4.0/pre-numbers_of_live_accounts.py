def migrate(cr, version):
    """Numbers are unique among accounts that are not closed: an index of its own says so."""
    cr.execute("ALTER TABLE astpp_account DROP CONSTRAINT IF EXISTS astpp_account_number_uniq")
