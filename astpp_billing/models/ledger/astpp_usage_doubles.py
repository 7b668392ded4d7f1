from odoo import api, models
from odoo.tools import SQL

from .astpp_usage_load import DOUBLES, RESOLVED

# Sources of calls; charges and manual entries are never compared with calls.
CALL_SOURCES = ("cdr", "reseller_cdr", "import", "api")


class AstppUsage(models.Model):
    """Detect calls that the ledger already has under another key, and hold them so that no call is billed twice.

    A row with the same key is the same row and is skipped on insert. The cases here have a different key: values that
    changed, another source, a report that contains calls of the call tables, a report imported with another clock.
    """

    _inherit = "astpp.usage"

    @api.model
    def _find_doubles(self, server, usage_import=None):
        """Create a temporary table with the ids of the resolved rows to hold as duplicates, and the reasons.

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
                # Of several reasons, max() picks "duplicate" over "changed".
                "CREATE TEMPORARY TABLE %s ON COMMIT DROP AS SELECT id, max(reason) AS reason FROM (%s) AS found GROUP BY id",
                SQL.identifier(DOUBLES),
                SQL(" UNION ALL ").join(SQL("(%s)", query) for query in queries),
            )
        )
        return sum(count for count, *_span in spans.values())

    @api.model
    def _elsewhere_query(self, server):
        """Return the query for rows that came from another source as well: from ASTPP's table and by API, say."""
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
        """Return the query for call legs that occur twice among these rows, with different values: the first counts."""
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
        """Return the queries for call legs already in the ledger.

        A leg from the same source with different values has "changed". A leg that is in a report and in a call table
        or API as well is a "duplicate". Reports have no call IDs, so a leg is identified by its account, time, number
        and duration there.
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
        """Return the query for report lines from hours that were synchronised: all their calls are in the ledger."""
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
        """Return the queries for report lines imported before with another clock.

        Everything is equal except the time, which is shifted by the difference of the clocks.
        """
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
        """Return the conditions under which a ledger line ``e`` and a row ``r`` are charged to the same account.

        For known accounts there is an index on account and date. For unknown ones the index on date has to be used:
        IS NOT DISTINCT FROM keeps PostgreSQL off the index on account_ref, where it would scan all calls of an account.
        """
        return [
            SQL("e.account_id = r.account_id"),
            SQL(
                "r.account_id IS NULL AND e.account_id IS NULL AND e.server_id = %s"
                " AND e.account_ref IS NOT DISTINCT FROM r.account_ref",
                server.id,
            ),
        ]
