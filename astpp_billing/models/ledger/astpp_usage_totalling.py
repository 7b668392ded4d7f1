from datetime import datetime

from odoo import api, fields, models
from odoo.sql_db import db_connect
from odoo.tools import SQL

from .usage_copy import END_OF_TIME, TotalIds

# The columns that lines of one total have in common; they are copied to it. Server and company follow each other.
KEY = (
    *("server_id", "company_id", "currency_id", "account_id", "partner_id", "issuer_id", "charge_type", "direction"),
    *("product_id", "prepaid", "elsewhere", "exception"),
)
BOUNDS = SQL.identifier("astpp_usage_bounds")
FLAGS = ("prepaid", "elsewhere")


def columns(names, alias: str | None = None) -> SQL:
    return SQL(", ").join(SQL.identifier(alias, name) if alias else SQL.identifier(name) for name in names)


def same_key(one: str, other: str, names=(*KEY, "until")) -> SQL:
    """Return the condition that two rows have the same key, empty columns being equal.

    It is spelled as the unique index of totals is, and so that PostgreSQL can hash it.
    """
    nothing = {
        **dict.fromkeys(("account_id", "partner_id", "issuer_id", "product_id"), 0),
        "direction": "",
        "exception": "",
        "elsewhere": False,
    }
    return SQL(" AND ").join(
        SQL(
            "COALESCE(%(one)s, %(nothing)s) = COALESCE(%(other)s, %(nothing)s)"
            if name in nothing
            else "%(one)s = %(other)s",
            one=SQL.identifier(one, name),
            other=SQL.identifier(other, name),
            nothing=nothing.get(name),
        )
        for name in names
        if name not in ("company_id", "currency_id")
    )


# What lines with an alias ``u`` come to.
SUMS = SQL(
    "count(*) AS lines, count(*) FILTER (WHERE u.duration > 0 OR u.amount <> 0) AS calls,"
    " COALESCE(sum(u.duration), 0) AS duration, COALESCE(sum(u.amount), 0) AS amount,"
    " COALESCE(sum(GREATEST(-u.amount, 0)), 0) AS credit, COALESCE(sum(u.cost), 0) AS cost,"
    " min(u.date) AS first_date, max(u.date) AS last_date"
)
COUNTED = ("lines", "calls", "duration", "amount", "credit", "cost")
SUM_NAMES = (*COUNTED, "first_date", "last_date")


PLUS, MINUS = SQL("+"), SQL("-")


def changed_by(other: str, sign: SQL = PLUS) -> SQL:
    """Return the assignments by which a total ``t`` grows, or shrinks, by the sums of a row."""
    return SQL(", ").join(
        SQL("%s = %s %s %s", SQL.identifier(name), SQL.identifier("t", name), sign, SQL.identifier(other, name))
        for name in COUNTED
    )


def summed(sign: SQL = PLUS) -> SQL:
    """Return the columns that add up the sums of several rows."""
    return SQL(", ").join(SQL("%s sum(%s) AS %s", sign, *[SQL.identifier(name)] * 2) for name in COUNTED)


# Of a statement that has only lines to take out of totals: the totals to put them into.
NOWHERE = SQL("SELECT *, FALSE AS is_new FROM astpp_usage_total WHERE FALSE")
# What the statements that move lines return of each, besides ``old_id`` and ``new_id``.
MOVED = SQL("u.source, u.date, u.duration, u.rated_amount, u.amount, u.cost")


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
                SELECT w.id, %(key_of_w)s, w.until, TRUE, CASE WHEN w.exception IS NOT NULL THEN 'held'
                       WHEN w.elsewhere THEN 'elsewhere' WHEN w.prepaid THEN 'prepaid' ELSE 'open' END, %(names_of_c)s, now() AT TIME ZONE 'UTC'
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
            names=columns(SUM_NAMES),
            names_of_c=columns(SUM_NAMES, "c"),
        )

    @api.model
    def _total_ids(self, server) -> TotalIds:
        """Return the ids of the totals that a server's calls are put into."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT id, account_id, partner_id, issuer_id, CASE WHEN prepaid THEN 't' ELSE 'f' END,
                       CASE WHEN elsewhere THEN 't' ELSE 'f' END, until, charge_type, direction, exception
                  FROM astpp_usage_total
                 WHERE takes_lines AND server_id = %s AND product_id IS NULL
                """,
                server.id,
            )
        )
        known = {
            ("\t".join(str(value or "") for value in owner), *rest): total_id
            for total_id, *owner, until, charge_type, direction, exception in rows
            for rest in ((until, charge_type, direction, exception),)
        }
        name = self.env.cr.dbname

        def reserve():
            # Whoever reads has no part in this transaction, and a sequence knows none.
            with db_connect(name).cursor() as cursor:
                cursor.execute("SELECT nextval('astpp_usage_total_id_seq') FROM generate_series(1, 100)")
                return [total_id for (total_id,) in cursor.fetchall()]

        return TotalIds(known, reserve)

    @api.model
    def _add_up(self, server, totals: dict, last_id: int) -> bool:
        """Add what calls come to that have just been copied.

        :param totals: what ``owned_lines`` filled
        :param last_id: the last line before them
        :return: whether all of these totals take lines; lines of others were put into those that do
        """
        if not totals:
            return True
        owners = [[int(part) if part else None for part in key[0].split("\t")[:3]] for key in totals]
        names = ("id", *SUM_NAMES)
        kinds = ("int4", "int4", "int4", "int8", "numeric", "numeric", "numeric", "timestamp", "timestamp")
        rows = self.env.execute_query(
            SQL(
                """
                WITH copied AS (
                    SELECT * FROM unnest(%(sums)s, %(accounts)s::int[], %(partners)s::int[], %(issuers)s::int[],
                                         %(prepaid)s::bool[], %(elsewhere)s::bool[], %(untils)s::timestamp[], %(types)s::text[],
                                         %(directions)s::text[], %(exceptions)s::text[])
                        AS copied(%(names)s, account_id, partner_id, issuer_id, prepaid, elsewhere, until, charge_type, direction,
                                  exception)
                  ORDER BY id
                ), made AS (
                    INSERT INTO astpp_usage_total (server_id, company_id, currency_id, %(names)s, account_id, partner_id,
                                                   issuer_id, prepaid, elsewhere, until, charge_type, direction, exception,
                                                   takes_lines, state, changed_date)
                    SELECT %(server)s, %(company)s, %(currency)s, copied.*, TRUE,
                           CASE WHEN exception IS NOT NULL THEN 'held' WHEN elsewhere THEN 'elsewhere' WHEN prepaid THEN 'prepaid' ELSE 'open' END,
                           now() AT TIME ZONE 'UTC'
                      FROM copied
               ON CONFLICT DO NOTHING
                 RETURNING id
                ), changed AS (
                    UPDATE astpp_usage_total t
                       SET %(changed)s,
                           first_date = LEAST(t.first_date, c.first_date), last_date = GREATEST(t.last_date, c.last_date),
                           changed_date = now() AT TIME ZONE 'UTC'
                      FROM copied c
                     WHERE t.id = c.id AND t.takes_lines
                 RETURNING t.id
                )
                SELECT id FROM made UNION ALL SELECT id FROM changed
                """,
                sums=SQL(", ").join(
                    SQL("%s::%s[]", list(column), SQL.identifier(kind))
                    for column, kind in zip(zip(*totals.values(), strict=True), kinds, strict=True)
                ),
                accounts=[owner[0] for owner in owners],
                partners=[owner[1] for owner in owners],
                issuers=[owner[2] for owner in owners],
                prepaid=[key[0][-3] == "t" for key in totals],
                elsewhere=[key[0][-1] == "t" for key in totals],
                untils=[key[1] for key in totals],
                types=[key[2] for key in totals],
                directions=[key[3] for key in totals],
                exceptions=[key[4] for key in totals],
                names=columns(names),
                changed=changed_by("c"),
                server=server.id,
                company=server.company_id.id,
                currency=server.currency_id.id,
            )
        )
        self.env["astpp.usage.total"].invalidate_model()
        closed = {total[0] for total in totals.values()} - {total_id for (total_id,) in rows}
        if closed:
            self.env.cr.execute(
                SQL(
                    "UPDATE astpp_usage SET total_id = NULL WHERE total_id = ANY(%s) AND id > %s", list(closed), last_id
                )
            )
        self._add_days(SQL("u.id > %s AND u.total_id IS NOT NULL", last_id))
        if not closed:
            return True
        self._retotal(SQL("u.total_id IS NULL AND u.id > %s", last_id))
        return False

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
                    INSERT INTO astpp_usage_total (id, %(key)s, until, takes_lines, state, %(names)s, changed_date)
                    SELECT p.new_id, %(key_of_t)s, p.until, FALSE, t.state, %(names_of_p)s, now() AT TIME ZONE 'UTC'
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
