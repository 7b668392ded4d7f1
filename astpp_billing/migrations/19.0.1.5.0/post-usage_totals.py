"""Usage points to totals, and totals to what bills them; before, each line of usage pointed there itself."""

import logging

from odoo import SUPERUSER_ID, api
from odoo.addons.astpp_billing.models.ledger.total_key import KEY, SUM_NAMES, SUMS, columns
from odoo.tools import SQL

_logger = logging.getLogger(__name__)


def migrate(cr, _version):
    cr.execute(
        "SELECT 1 FROM information_schema.columns WHERE table_name = 'astpp_usage' AND column_name = 'move_line_id'"
    )
    if not cr.fetchone():
        return
    env = api.Environment(cr, SUPERUSER_ID, {})
    cr.execute("UPDATE astpp_usage SET prepaid = FALSE WHERE prepaid IS NULL")
    # What is billed: a total for each line of a document, and kind of usage on it.
    cr.execute(
        SQL(
            """
            INSERT INTO astpp_usage_total (%(key)s, move_line_id, move_id, until, takes_lines, state, %(names)s, changed_date)
            SELECT %(key_of_u)s, u.move_line_id, u.move_id, date_trunc('month', max(u.date)) + interval '1 month', FALSE,
                   CASE WHEN u.prepaid THEN 'recognised' ELSE 'billed' END, %(sums)s, now() AT TIME ZONE 'UTC'
              FROM astpp_usage u
             WHERE u.move_line_id IS NOT NULL
          GROUP BY %(key_of_u)s, u.move_line_id, u.move_id
            """,
            key=columns(KEY),
            key_of_u=columns(KEY, "u"),
            names=columns(SUM_NAMES),
            sums=SUMS,
        )
    )
    # Equality of what may be empty is spelled so that PostgreSQL can hash it.
    same = SQL(" AND ").join(
        SQL("COALESCE(%s::text, '') = COALESCE(%s::text, '')", SQL.identifier("u", name), SQL.identifier("t", name))
        for name in KEY
    )
    cr.execute(
        SQL(
            "UPDATE astpp_usage u SET total_id = t.id FROM astpp_usage_total t WHERE t.move_line_id = u.move_line_id AND %s",
            same,
        )
    )
    billed = cr.rowcount
    env["astpp.usage"]._retotal(SQL("u.total_id IS NULL"))
    cr.execute("SELECT count(*) FROM astpp_usage WHERE total_id IS NULL")
    if left := cr.fetchone()[0]:
        raise AssertionError(f"{left} lines of usage have no total")
    cr.execute("ALTER TABLE astpp_usage DROP COLUMN move_line_id, DROP COLUMN move_id")
    cr.execute("ANALYZE astpp_usage, astpp_usage_total")
    _logger.info("%s lines of usage are billed by way of totals", billed)
