def migrate(cr, version):
    """Periods have a unit now: what was counted in days keeps its number."""
    renamed = (
        ("product_template", "astpp_period_days", "astpp_period_count", "astpp_period_unit"),
        ("astpp_subscription", "period_days", "period_count", "period_unit"),
    )
    for table, before, count, unit in renamed:
        cr.execute(f"ALTER TABLE {table} RENAME COLUMN {before} TO {count}")  # pylint: disable=sql-injection
        cr.execute(f"ALTER TABLE {table} ADD COLUMN {unit} varchar")  # pylint: disable=sql-injection
        cr.execute(f"UPDATE {table} SET {unit} = 'day' WHERE {count} > 0")  # pylint: disable=sql-injection
