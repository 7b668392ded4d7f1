def migrate(cr, version):
    """Reports that were imported so far were read in local time, with daylight saving."""
    cr.execute("UPDATE astpp_usage_import SET clock = 'local' WHERE state = 'done'")
