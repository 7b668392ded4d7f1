from datetime import datetime, time, timedelta

from odoo import api, models
from odoo.tools import SQL

from .total_key import NOWHERE

# What lines with an alias ``u`` come to on a day, in the order of the columns of ``DAY_SUMS``.
DAY_SUMS = ("lines", "duration", "rated_amount", "amount", "credit", "cost")
SUMS_OF_LINES = SQL(
    "count(*) AS lines, COALESCE(sum(u.duration), 0) AS duration, COALESCE(sum(u.rated_amount), 0) AS rated_amount,"
    " COALESCE(sum(u.amount), 0) AS amount, COALESCE(sum(GREATEST(-u.amount, 0)), 0) AS credit,"
    " COALESCE(sum(u.cost), 0) AS cost"
)


def day_columns(pattern: str) -> SQL:
    """Return a list of SQL in which each ``#`` stands for one of ``DAY_SUMS``."""
    return SQL(", ").join(SQL(pattern.replace("#", name)) for name in DAY_SUMS)  # pylint: disable=sql-injection


def whole_days(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """Return the midnights between which there are only whole days of a span; the same twice if it has none.

    What is before the first and after the second is to be read line by line.
    """
    first, end = datetime.combine(since, time()), datetime.combine(until, time())
    if first < since:
        first += timedelta(days=1)
    return (first, end) if first < end else (until, until)


class AstppUsage(models.Model):
    """Lines and their days: see ``astpp.usage.day``.

    A line's day is found by its total, so whoever moves lines from one total to another, and whoever says which lines
    have got or lost their total, has said all.
    """

    _inherit = "astpp.usage"

    @api.model
    def _days_query(self, side: SQL | None = None) -> SQL:
        """Return the part of a statement by which days change: with ``moved`` lines, and ``wanted`` totals.

        :param side: query for ``total_id``, ``source``, ``day`` and ``DAY_SUMS`` instead of what moved
        """
        return SQL(
            """
            side AS (%(side)s
            ), days AS (
                INSERT INTO astpp_usage_day AS d (
                    server_id, day, source, account_id, held, issuer_id, company_id, %(names)s, changed_date)
                SELECT t.server_id, s.day, s.source, t.account_id, t.exception IS NOT NULL, t.issuer_id, t.company_id,
                       %(summed)s, now() AT TIME ZONE 'UTC'
                  FROM side s
                  JOIN (SELECT id, server_id, company_id, account_id, issuer_id, exception FROM astpp_usage_total
                     UNION ALL
                        SELECT id, server_id, company_id, account_id, issuer_id, exception FROM wanted WHERE is_new
                       ) AS t ON t.id = s.total_id
              GROUP BY 1, 2, 3, 4, 5, 6, 7
                HAVING %(something)s
              -- Whoever changes several takes them in the same order.
              ORDER BY 1, 2, 3, 4, 5, 6
           ON CONFLICT (server_id, day, source, COALESCE(account_id, 0), held, COALESCE(issuer_id, 0)) DO UPDATE
                   SET %(added)s, changed_date = EXCLUDED.changed_date
            )
            """,
            side=self._moved_by_day() if side is None else side,
            names=day_columns("#"),
            summed=day_columns("sum(s.#)"),
            something=SQL(" OR ").join(SQL("sum(%s) <> 0", SQL.identifier("s", name)) for name in DAY_SUMS),
            added=day_columns("# = d.# + EXCLUDED.#"),
        )

    @api.model
    def _moved_by_day(self) -> SQL:
        """Return the query for what lines that have ``moved`` come to by day, in their new totals and in their old ones."""
        return SQL(
            """
                SELECT new_id AS total_id, u.source, u.date::date AS day, %(sums)s
                  FROM moved u WHERE new_id IS NOT NULL GROUP BY 1, 2, 3
             UNION ALL
                SELECT total_id, source, day, %(taken)s
                  FROM (SELECT old_id AS total_id, u.source, u.date::date AS day, %(sums)s
                          FROM moved u WHERE old_id IS NOT NULL GROUP BY 1, 2, 3) AS left_behind
            """,
            sums=SUMS_OF_LINES,
            taken=day_columns("-#"),
        )

    @api.model
    def _add_days(self, rows: list[tuple]):
        """Add to days what was counted of lines that have just been put into their totals.

        :param rows: (total id, source, UTC day, and the ``DAY_SUMS``)
        """
        if not rows:
            return
        kinds = ("int4", "text", "date", "int8", "int8", *["numeric"] * 4)
        counted = SQL(
            "SELECT * FROM unnest(%s) AS counted(total_id, source, day, %s)",
            SQL(", ").join(
                SQL("%s::%s[]", list(column), SQL.identifier(kind))
                for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)
            ),
            day_columns("#"),
        )
        self.env.cr.execute(SQL("WITH wanted AS (%s), %s SELECT 1", NOWHERE, self._days_query(counted)))
        self.env["astpp.usage.day"].invalidate_model()
