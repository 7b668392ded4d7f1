def migrate(cr, version):
    """Changes of balances no longer wait for a switch that is off: they are noted."""
    for kind in ("credit", "charge", "payment"):
        cr.execute(
            f"""
            UPDATE astpp_outbox o SET state = 'off' FROM astpp_server s
             WHERE s.id = o.server_id AND o.kind = %s AND o.state = 'waiting'
               AND (COALESCE(s.host, '') = '' OR s.write_{kind} IS NOT TRUE)
            """,  # pylint: disable=sql-injection
            (kind,),
        )
