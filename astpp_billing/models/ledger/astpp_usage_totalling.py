from datetime import datetime

from odoo import api, fields, models
from odoo.tools import SQL

from .total_key import FLAGS, KEY, MINUS, MOVED, SUM_NAMES, SUMS, changed_by, columns, same_key, summed, waiting_state
from .usage_copy import END_OF_TIME

BOUNDS = SQL.identifier("astpp_usage_bounds")


class AstppUsage(models.Model):
    """Lines and their totals: every statement that adds, changes or removes lines changes totals with them.

    Whoever adds to a total and whoever bills it change the same row: one of two such transactions fails and begins
    anew, so that nothing is lost and nothing counted twice. Which period a line is put into only decides with which
    others it is added up: what is billed is chosen by its dates, and a total that goes beyond is cut.
    """

    _inherit = "astpp.usage"

    @api.model
    def _period_of(self, accounts: SQL, line: str = "u", account: str = "a") -> SQL:
        """Return the SQL for the end of the period that a line is put into; makes the table that it looks into.

        What is late goes into the running period of its account, what comes after it into the period of its date.
        What is prepaid, or nobody's yet, is put together by months.

        :param accounts: query for the ids of the accounts that lines may have
        :param line: alias of the lines
        :param account: alias of ``astpp_account``, joined to them
        """
        behind = {account: ends for account, ends in self._account_periods(accounts).items() if len(ends) > 1}
        ids = [account for account, ends in behind.items() for _end in ends]
        bounds = [end for ends in behind.values() for end in ends]
        beyond = SQL("%s::timestamp", END_OF_TIME)
        if ids:
            self.env.cr.execute(
                SQL(
                    """
                    DROP TABLE IF EXISTS %(bounds)s;
                    CREATE TEMPORARY TABLE %(bounds)s ON COMMIT DROP AS
                    SELECT * FROM unnest(%(ids)s::int[], %(untils)s::timestamp[]) AS bound(account_id, until);
                    CREATE INDEX ON %(bounds)s (account_id, until);
                    ANALYZE %(bounds)s
                    """,
                    bounds=BOUNDS,
                    ids=ids,
                    untils=bounds,
                )
            )
            beyond = SQL(
                "COALESCE((SELECT min(b.until) FROM %s b WHERE b.account_id = %s AND b.until > %s), %s)",
                BOUNDS,
                SQL.identifier(account, "id"),
                SQL.identifier(line, "date"),
                beyond,
            )
        return SQL(
            """
            CASE WHEN %(prepaid)s OR %(end)s IS NULL THEN date_trunc('month', %(date)s) + interval '1 month'
                 WHEN %(date)s < %(end)s THEN %(end)s
                 ELSE %(beyond)s END
            """,
            prepaid=SQL.identifier(line, "prepaid"),
            end=SQL.identifier(account, "next_period_end"),
            date=SQL.identifier(line, "date"),
            beyond=beyond,
        )

    @api.model
    def _account_periods(self, accounts: SQL) -> dict[int, list[datetime]]:
        """Return {account id: ends of its periods, from the running one to the one that has not ended yet}.

        :param accounts: query for ids; prepaid accounts have no periods
        """
        now = fields.Datetime.now()
        self.env["astpp.account"].flush_model()
        rows = self.env.execute_query(
            SQL(
                "SELECT id, next_period_end FROM astpp_account WHERE next_period_end IS NOT NULL AND id IN (%s)",
                accounts,
            )
        )
        periods = {account: [end] for account, end in rows}
        behind = self.env["astpp.account"].sudo().browse([account for account, [end] in periods.items() if end <= now])
        # Most accounts have one of a few cycles.
        known = {}
        for account in behind:
            [end] = periods[account.id]
            if (key := (account._cycle(), end)) not in known:
                ends = known[key] = [end]
                while ends[-1] <= now:
                    ends.append(account._period_end(ends[-1]))
            periods[account.id] = known[key]
        return periods

    @api.model
    def _retotal(self, where: SQL):
        """Put lines whose total is not theirs, or that have none, into the one that they belong to.

        Lines that a document bills stay where they are.

        :param where: condition on ``astpp_usage u`` that chooses the lines
        """
        self.flush_model()
        period = self._period_of(SQL("SELECT u.account_id FROM astpp_usage u WHERE %s", where))
        self.env.cr.execute(
            SQL(
                """
                WITH line AS MATERIALIZED (
                    SELECT u.id, u.total_id AS old_id, %(key_of_u)s, %(period)s AS until
                      FROM astpp_usage u
                 LEFT JOIN astpp_account a ON a.id = u.account_id
                 LEFT JOIN astpp_usage_total t ON t.id = u.total_id
                     WHERE %(where)s AND t.move_line_id IS NULL AND (t.id IS NULL OR NOT (%(key_is_right)s))
                ), wanted AS MATERIALIZED (%(wanted)s
                ), moved AS (
                    UPDATE astpp_usage u SET total_id = w.id
                      FROM line JOIN wanted w ON %(key_is_wanted)s
                     WHERE u.id = line.id
                 RETURNING line.old_id, w.id AS new_id, %(returned)s
                ), %(changes)s
                SELECT count(*) FROM moved
                """,
                # Whoever fills the table by other means may leave it empty.
                key_of_u=SQL(", ").join(
                    SQL("COALESCE(%s, FALSE) AS %s", SQL.identifier("u", name), SQL.identifier(name))
                    if name in FLAGS
                    else SQL.identifier("u", name)
                    for name in KEY
                ),
                period=period,
                where=where,
                key_is_right=SQL(
                    "%s AND COALESCE(u.prepaid, FALSE) = t.prepaid AND COALESCE(u.elsewhere, FALSE) = COALESCE(t.elsewhere, FALSE)",
                    same_key("u", "t", [name for name in KEY if name not in FLAGS]),
                ),
                wanted=self._wanted_query(SQL("line")),
                key_is_wanted=same_key("line", "w"),
                returned=MOVED,
                changes=self._changes_query(),
            )
        )
        self.invalidate_model(["total_id", "move_line_id", "move_id"])
        self.env["astpp.usage.total"].invalidate_model()

    @api.model
    def _wanted_query(self, source: SQL) -> SQL:
        """Return the query for the current totals of the keys that rows have, with ids for those that are missing."""
        return SQL(
            """
            SELECT key.*, COALESCE(t.id, nextval('astpp_usage_total_id_seq')) AS id, t.id IS NULL AS is_new
              FROM (SELECT DISTINCT %(key)s FROM %(source)s) AS key
         LEFT JOIN astpp_usage_total t ON t.takes_lines AND %(same)s
            """,
            key=columns((*KEY, "until")),
            source=source,
            same=same_key("key", "t"),
        )

    @api.model
    def _changes_query(self) -> SQL:
        """Return the part of a statement that has ``moved`` lines to ``wanted`` totals by which totals and days change."""
        return SQL(
            """
            entered AS (SELECT new_id AS id, %(sums)s FROM moved u GROUP BY new_id
            ), left_behind AS (SELECT old_id AS id, %(sums)s FROM moved u WHERE old_id IS NOT NULL GROUP BY old_id
            ), change AS (
                SELECT id, %(summed)s, min(first_date) AS first_date, max(last_date) AS last_date
                  FROM (SELECT * FROM entered
                     UNION ALL
                        SELECT id, %(taken)s, NULL, NULL FROM left_behind GROUP BY id) AS side
              GROUP BY id
            ), made AS (
                INSERT INTO astpp_usage_total (id, %(key)s, until, takes_lines, state, %(names)s, changed_date)
                SELECT w.id, %(key_of_w)s, w.until, TRUE, %(state)s, %(names_of_c)s, now() AT TIME ZONE 'UTC'
                  FROM wanted w JOIN change c ON c.id = w.id
                 WHERE w.is_new
              ORDER BY w.id
              -- Somebody else has just made it: under REPEATABLE READ that is a conflict, and this begins anew.
           ON CONFLICT DO NOTHING
            ), changed AS (
                UPDATE astpp_usage_total t
                   SET %(changed)s,
                       first_date = LEAST(t.first_date, c.first_date), last_date = GREATEST(t.last_date, c.last_date),
                       changed_date = now() AT TIME ZONE 'UTC'
                  FROM (SELECT * FROM change ORDER BY id) AS c
                 WHERE t.id = c.id
            ), %(days)s
            """,
            sums=SUMS,
            summed=summed(),
            taken=summed(MINUS),
            changed=changed_by("c"),
            days=self._days_query(),
            key=columns(KEY),
            key_of_w=columns(KEY, "w"),
            state=waiting_state("w"),
            names=columns(SUM_NAMES),
            names_of_c=columns(SUM_NAMES, "c"),
        )
