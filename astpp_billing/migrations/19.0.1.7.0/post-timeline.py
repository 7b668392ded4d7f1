"""Terms of orders get their period, minutes and settings; pauses and ends become rows; charges say their period."""


def migrate(cr, _version):
    _fill_terms(cr)
    _add_status(cr)
    _date_charges(cr)


def _fill_terms(cr):
    """Rows with the order's product have the order's period and minutes, others those of their product."""
    cr.execute(
        """
        UPDATE astpp_subscription_line l
           SET period_unit = CASE WHEN mine THEN COALESCE(s.period_unit, 'month')
                                  ELSE COALESCE(t.astpp_period_unit, 'month') END,
               period_count = COALESCE(CASE WHEN mine THEN s.period_count ELSE t.astpp_period_count END, 0),
               recurring = CASE WHEN mine THEN s.recurring ELSE t.astpp_recurring END,
               free_minutes = CASE WHEN mine THEN s.free_minutes
                                   WHEN t.astpp_type = 'package' THEN t.astpp_free_minutes ELSE 0 END,
               prorate = t.astpp_prorate,
               refund = t.astpp_refund_unused,
               billing_day = CASE WHEN t.astpp_prorate AND a.payment_mode = 'postpaid'
                                       AND a.cycle_unit IN ('month', 'year')
                                       AND CASE WHEN mine THEN s.period_unit ELSE t.astpp_period_unit END = 'month'
                                  THEN a.billing_day ELSE 0 END
          FROM astpp_subscription s
          JOIN astpp_account a ON a.id = s.account_id, product_product p
          JOIN product_template t ON t.id = p.product_tmpl_id
         WHERE s.id = l.subscription_id AND p.id = l.product_id
        """.replace("mine", "(s.product_id = l.product_id)")
    )


def _add_status(cr):
    """Suspended orders are paused from tomorrow on; planned ends have a row, and what runs was not charged up to them."""
    row = """
        INSERT INTO astpp_subscription_line
               (subscription_id, company_id, date, moment, product_id, quantity, price, price_by_hand, period_unit,
                period_count, recurring, free_minutes, prorate, refund, billing_day, status, applied, known_date,
                create_uid, create_date)
        SELECT s.id, s.company_id, %(day)s, (%(day)s)::timestamp AT TIME ZONE COALESCE(a.tz, 'UTC') AT TIME ZONE 'UTC',
               l.product_id, l.quantity, l.price, FALSE, l.period_unit, l.period_count, l.recurring, l.free_minutes,
               l.prorate, l.refund, l.billing_day, '%(status)s', %(applied)s, %(known)s, 1, now() AT TIME ZONE 'UTC'
          FROM astpp_subscription s
          JOIN astpp_account a ON a.id = s.account_id
          JOIN LATERAL (SELECT * FROM astpp_subscription_line
                         WHERE subscription_id = s.id AND date <= %(day)s ORDER BY date DESC LIMIT 1) l ON TRUE
         WHERE %(which)s
   ON CONFLICT (subscription_id, date) DO UPDATE
           SET status = EXCLUDED.status, applied = EXCLUDED.applied, known_date = EXCLUDED.known_date
    """
    today = "(now() AT TIME ZONE COALESCE(a.tz, 'UTC'))::date"
    paused = {
        "day": f"{today} + 1",
        "status": "paused",
        "applied": "TRUE",
        "known": "NULL::date",
        "which": "s.state = 'suspended'",
    }
    cr.execute(row % paused)
    cr.execute(
        """
        UPDATE astpp_subscription_line l SET status = 'paused'
          FROM astpp_subscription s
         WHERE s.id = l.subscription_id AND s.state = 'suspended' AND l.applied IS NOT TRUE AND l.status = 'active'
        """
    )
    ended = {
        "day": "(s.end_date AT TIME ZONE 'UTC' AT TIME ZONE COALESCE(a.tz, 'UTC'))::date",
        "status": "ended",
        "applied": "FALSE",
        "known": today,
        "which": "s.state IN ('active', 'suspended') AND s.end_date IS NOT NULL",
    }
    cr.execute(row % ended)


def _date_charges(cr):
    """Charges and credits of a period say on which local day it began: the last one that begins with or before them."""
    cr.execute(
        """
          WITH charge AS (
               SELECT u.id, u.subscription_id, COALESCE(u.period_start, u.date) AS start, s.start_date,
                      split_part(u.source_key, '/', 2) = 'period' AS begins, COALESCE(a.tz, 'UTC') AS tz
                 FROM astpp_usage u
                 JOIN astpp_subscription s ON s.id = u.subscription_id
                 JOIN astpp_account a ON a.id = s.account_id
                WHERE u.source = 'subscription' AND u.period_date IS NULL
                  AND split_part(u.source_key, '/', 2) IN ('period', 'rest', 'unused')),
               period AS (
               SELECT id, tz, GREATEST(max(start) FILTER (WHERE begins)
                                           OVER (PARTITION BY subscription_id ORDER BY start),
                                       CASE WHEN start >= start_date THEN start_date END) AS start
                 FROM charge)
        UPDATE astpp_usage u
           SET period_date = (p.start AT TIME ZONE 'UTC' AT TIME ZONE p.tz)::date
          FROM period p
         WHERE p.id = u.id AND p.start IS NOT NULL
        """
    )
