from odoo import api, models
from odoo.tools import SQL

from .astpp_usage_load import DOUBLES, RESOLVED

# Where calls come from; charges and what people enter are not compared with them.
CALL_SOURCES = ("cdr", "reseller_cdr", "import", "api")


class AstppUsage(models.Model):
    """Calls that the ledger has already, said in other words: they are held, so that none is billed twice.

    A row with the same key is the same row and is passed over. What is looked for here has another key: values that
    changed, another way in, a report of the call tables' calls, a report read with another clock.
    """

    _inherit = "astpp.usage"

    @api.model
    def _find_doubles(self, server, usage_import=None):
        """Note why resolved rows must not be billed beside others, in a table of their ids and reasons.

        :return: number of resolved rows
        """
        spans = {
            source: (count, since, until)
            for source, count, since, until in self.env.execute_query(
                SQL("SELECT source, count(*), min(date), max(date) FROM %s GROUP BY source", SQL.identifier(RESOLVED))
            )
        }
        queries = [self._elsewhere_query(server), self._versions_query(), *self._legs_queries(server)]
        if "import" in spans:
            queries.append(self._read_hours_query(server))
            shifts = usage_import._shifts_of_others(*spans["import"][1:]) if usage_import else []
            if shifts:
                queries += self._shifted_queries(server, usage_import, shifts)
        self.env.cr.execute(
            SQL(
                # Should there be several reasons, "duplicate" goes before "changed".
                "CREATE TEMPORARY TABLE %s ON COMMIT DROP AS SELECT id, max(reason) AS reason FROM (%s) AS found GROUP BY id",
                SQL.identifier(DOUBLES),
                SQL(" UNION ALL ").join(SQL("(%s)", query) for query in queries),
            )
        )
        return sum(count for count, *_span in spans.values())

    @api.model
    def _elsewhere_query(self, server):
        """The same row by another way in: from ASTPP's table and by API, for instance."""
        return SQL(
            """
            SELECT r.id, 'duplicate' AS reason
              FROM %s r JOIN astpp_usage e ON e.source_key = r.row_key AND e.server_id = %s AND e.source <> r.source
            """,
            SQL.identifier(RESOLVED),
            server.id,
        )

    @api.model
    def _versions_query(self):
        """The same leg of a call twice among these rows, with other values: the first one counts."""
        return SQL(
            """
              WITH leg AS (
                SELECT id, line, row_key, source, COALESCE(account_id::text, account_ref) AS owner, date,
                       COALESCE(uniqueid, CASE WHEN source = 'import' THEN concat_ws('/', callee, duration, direction)
                                          END) AS leg
                  FROM %s
            ), several AS (
                SELECT source, owner, date, leg, min(line) AS first
                  FROM leg WHERE leg IS NOT NULL
              GROUP BY 1, 2, 3, 4 HAVING min(row_key) <> max(row_key)
            )
            SELECT r.id, 'changed'
              FROM several
              JOIN leg f USING (source, owner, date, leg)
              JOIN leg r USING (source, owner, date, leg)
             WHERE f.line = several.first AND r.row_key <> f.row_key
            """,
            SQL.identifier(RESOLVED),
        )

    @api.model
    def _legs_queries(self, server):
        """What the ledger has of these legs: with other values ("changed"), or from a report and a table ("duplicate").

        A report has no IDs of calls; a leg is known there by its account, moment, number and duration.
        """
        return [
            SQL(
                """
                SELECT r.id, CASE WHEN e.source = r.source THEN 'changed' ELSE 'duplicate' END
                  FROM %(resolved)s r JOIN astpp_usage e ON %(owner)s AND e.date = r.date
                 WHERE e.source = r.source AND left(e.source_key, length(r.row_key)) <> r.row_key
                       AND (e.uniqueid = r.uniqueid
                            OR r.source = 'import' AND e.uniqueid IS NULL AND r.uniqueid IS NULL
                               AND e.callee = r.callee AND e.duration = r.duration AND e.direction = r.direction)
                    OR (e.source = 'import') <> (r.source = 'import') AND e.source IN %(sources)s
                       AND (e.callee = r.callee OR e.callee IS NULL OR r.callee IS NULL) AND e.duration = r.duration
                """,
                resolved=SQL.identifier(RESOLVED),
                owner=owner,
                sources=CALL_SOURCES,
            )
            for owner in self._same_owner(server)
        ]

    @api.model
    def _read_hours_query(self, server):
        """Lines of a report from hours that the synchronisation has read: it brought all their calls."""
        return SQL(
            """
            SELECT r.id, 'duplicate'
              FROM %s r JOIN astpp_sync_slice h ON h.server_id = %s AND h.start = date_trunc('hour', r.date)
             WHERE r.source = 'import'
            """,
            SQL.identifier(RESOLVED),
            server.id,
        )

    @api.model
    def _shifted_queries(self, server, usage_import, shifts):
        """Lines of a report that were imported with another clock: all is equal but the moment, by the difference."""
        return [
            SQL(
                """
                SELECT r.id, 'duplicate'
                  FROM %(resolved)s r
            CROSS JOIN unnest(%(shifts)s) AS shift
                  JOIN astpp_usage e ON %(owner)s AND e.date = r.date + shift
             LEFT JOIN astpp_usage_import i ON i.id = e.import_id
                 WHERE r.source = 'import' AND e.source = 'import'
                   AND e.callee IS NOT DISTINCT FROM r.callee AND e.duration = r.duration
                   AND e.rated_amount = r.rated_amount
                   AND (i.tz, i.clock) IS DISTINCT FROM (%(tz)s, %(clock)s)
                """,
                resolved=SQL.identifier(RESOLVED),
                owner=owner,
                shifts=shifts,
                tz=usage_import.tz,
                clock=usage_import.clock,
            )
            for owner in self._same_owner(server)
        ]

    @api.model
    def _same_owner(self, server):
        """Return the conditions under which a ledger's line ``e`` and a row ``r`` are charged to the same account.

        Known accounts have an index together with the moment. The others must be found by the moment alone: IS NOT
        DISTINCT keeps PostgreSQL from an index in which all calls of an unknown account stand behind each other.
        """
        return [
            SQL("e.account_id = r.account_id"),
            SQL(
                "r.account_id IS NULL AND e.account_id IS NULL AND e.server_id = %s"
                " AND e.account_ref IS NOT DISTINCT FROM r.account_ref",
                server.id,
            ),
        ]
