"""Terms of orders hold from local days instead of instants, and each day has one row: what was planned last prevails."""


def migrate(cr, _version):
    cr.execute(
        """
        SELECT 1 FROM information_schema.columns
         WHERE table_name = 'astpp_subscription_line' AND column_name = 'date' AND data_type LIKE 'timestamp%'
        """
    )
    if not cr.fetchone():
        return
    cr.execute("ALTER TABLE astpp_subscription_line ADD COLUMN day date")
    cr.execute(
        """
        UPDATE astpp_subscription_line l
           SET day = (l.date AT TIME ZONE 'UTC' AT TIME ZONE COALESCE(a.tz, 'UTC'))::date
          FROM astpp_subscription s
          JOIN astpp_account a ON a.id = s.account_id
         WHERE s.id = l.subscription_id
        """
    )
    cr.execute(
        """
        DELETE FROM astpp_subscription_line l
         USING astpp_subscription_line later
         WHERE later.subscription_id = l.subscription_id AND later.day = l.day
           AND (later.date, later.id) > (l.date, l.id)
        """
    )
    cr.execute("ALTER TABLE astpp_subscription_line DROP COLUMN date")
    cr.execute("ALTER TABLE astpp_subscription_line RENAME COLUMN day TO date")
