from odoo import api, models
from odoo.tools import SQL

from .total_key import KEY, MINUS, MOVED, NOWHERE, SUM_NAMES, SUMS, changed_by, columns, summed


class AstppUsage(models.Model):
    """Lines that leave their totals: they change, go, or are to be billed apart from the others."""

    _inherit = "astpp.usage"

    def _untotal(self):
        """Take these lines out of their totals, before they change or go; what a document bills stays."""
        self.flush_recordset()
        self.env.cr.execute(
            SQL(
                """
                WITH wanted AS (%(nowhere)s
                ), line AS (
                    SELECT u.id, u.total_id AS old_id FROM astpp_usage u JOIN astpp_usage_total t ON t.id = u.total_id
                     WHERE u.id = ANY(%(ids)s) AND t.move_line_id IS NULL
                ), moved AS (
                    UPDATE astpp_usage u SET total_id = NULL FROM line WHERE u.id = line.id
                 RETURNING line.old_id, NULL::int AS new_id, %(returned)s
                ), %(changes)s
                SELECT count(*) FROM moved
                """,
                nowhere=NOWHERE,
                ids=self.ids,
                returned=MOVED,
                changes=self._changes_query(),
            )
        )
        self.invalidate_model(["total_id", "move_line_id", "move_id"])
        self.env["astpp.usage.total"].invalidate_model()

    @api.model
    def _remove(self, where: SQL, returning: tuple[str, ...]) -> list[tuple]:
        """Delete lines that no document bills, in one statement.

        :param where: condition on ``astpp_usage u``
        :param returning: columns of ``u`` that are returned of each line
        """
        self.flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                WITH wanted AS (%(nowhere)s
                ), moved AS (
                    DELETE FROM astpp_usage u USING astpp_usage_total t
                     WHERE %(where)s AND t.id = u.total_id AND t.move_line_id IS NULL
                 RETURNING u.total_id AS old_id, NULL::int AS new_id, %(returned)s, %(returning)s
                ), %(changes)s
                SELECT %(names)s FROM moved
                """,
                nowhere=NOWHERE,
                where=where,
                returned=MOVED,
                returning=SQL(", ").join(
                    SQL("%s AS %s", SQL.identifier("u", name), SQL.identifier(f"r_{name}")) for name in returning
                ),
                changes=self._changes_query(),
                names=SQL(", ").join(SQL.identifier(f"r_{name}") for name in returning),
            )
        )
        self.env.invalidate_all()
        return rows

    @api.model
    def _split_totals(self, straddling: SQL, goes: SQL):
        """Move a part of the lines of totals to totals of their own, which take no more lines.

        :param straddling: query for ``old_id``, ``new_id``, ``until`` (the period's end that the new total gets)
        :param goes: condition on ``astpp_usage u`` and ``s``, a row of that query: which lines go
        """
        self.env.cr.execute(
            SQL(
                """
                WITH straddling AS MATERIALIZED (%(straddling)s
                ), moved AS (
                    UPDATE astpp_usage u SET total_id = s.new_id
                      FROM straddling s WHERE u.total_id = s.old_id AND %(goes)s
                 RETURNING s.old_id, s.new_id, s.until, u.duration, u.amount, u.cost, u.date
                ), part AS (
                    SELECT old_id, new_id, until, %(sums)s FROM moved u GROUP BY 1, 2, 3
                ), made AS (
                    INSERT INTO astpp_usage_total (id, %(key)s, until, takes_lines, state, move_line_id, move_id, %(names)s,
                                                   changed_date)
                    SELECT p.new_id, %(key_of_t)s, p.until, FALSE, t.state, t.move_line_id, t.move_id, %(names_of_p)s,
                           now() AT TIME ZONE 'UTC'
                      FROM part p JOIN astpp_usage_total t ON t.id = p.old_id
                ), gone AS (SELECT old_id AS id, %(summed)s FROM part GROUP BY 1
                )
                UPDATE astpp_usage_total t SET %(shrinks)s, changed_date = now() AT TIME ZONE 'UTC'
                  FROM gone g WHERE t.id = g.id
                """,
                straddling=straddling,
                goes=goes,
                sums=SUMS,
                key=columns(KEY),
                key_of_t=columns(KEY, "t"),
                names=columns(SUM_NAMES),
                names_of_p=columns(SUM_NAMES, "p"),
                summed=summed(),
                shrinks=changed_by("g", MINUS),
            )
        )
        if self.env.cr.rowcount:
            self.invalidate_model(["total_id"])
            self.env["astpp.usage.total"].invalidate_model()
