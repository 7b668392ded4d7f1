def migrate(cr, version):
    """Usage says itself whether it was paid live: until now its account did."""
    cr.execute(
        """
        UPDATE astpp_usage u SET prepaid = TRUE FROM astpp_account a
         WHERE a.id = u.account_id AND a.payment_mode = 'prepaid' AND u.move_line_id IS NULL
        """
    )
