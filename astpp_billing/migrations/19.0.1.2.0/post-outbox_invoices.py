def migrate(cr, version):
    """Queued payments name their invoice, and what was switched on stays so from its first change on."""
    cr.execute(
        """
        UPDATE astpp_outbox o SET move_id = m.id FROM account_move m
         WHERE o.kind = 'payment' AND m.id = split_part(o.key, '/', 2)::int
        """
    )
    cr.execute(
        """
        UPDATE astpp_server s SET write_from = (SELECT min(o.create_date) FROM astpp_outbox o WHERE o.server_id = s.id)
         WHERE write_credit OR write_charge OR write_payment
        """
    )
