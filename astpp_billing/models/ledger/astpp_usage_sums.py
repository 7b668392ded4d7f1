from datetime import date, datetime
from decimal import Decimal

from odoo import api, models
from odoo.tools import SQL

from .usage_state import NOT_HELD, UNBILLED


class AstppUsage(models.Model):
    """Sums of usage for documents, balances and charts. Amounts are in the servers' base currencies."""

    _inherit = "astpp.usage"

    @api.model
    def _unbilled_around(self, moments: dict[int, datetime]) -> dict[int, tuple[float, float]]:
        """Return {account id: (unbilled amount before the moment, and since)} for {account id: moment in naive UTC}."""
        self.flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT u.account_id,
                       COALESCE(sum(u.amount) FILTER (WHERE u.date < split.moment), 0),
                       COALESCE(sum(u.amount) FILTER (WHERE u.date >= split.moment), 0)
                  FROM unnest(%s::int[], %s::timestamp[]) AS split(id, moment)
                  JOIN astpp_usage u ON u.account_id = split.id
                 WHERE %s
              GROUP BY u.account_id
                """,
                list(moments),
                list(moments.values()),
                UNBILLED.sql,
            )
        )
        return {account: (float(before), float(since)) for account, before, since in rows}

    @api.model
    def _accounts_with_unbilled(self, accounts: SQL, until: datetime, where: SQL) -> list[int]:
        """Return the ids of the accounts that have unbilled usage before a moment, failed calls excluded.

        :param accounts: query for the ids of the accounts to look at
        :param until: naive UTC
        :param where: condition on ``astpp_usage u``
        """
        self.flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT chosen.id FROM (%s) AS chosen
                 WHERE EXISTS (SELECT 1 FROM astpp_usage u
                                WHERE u.account_id = chosen.id AND u.date < %s AND (u.duration > 0 OR u.amount <> 0)
                                  AND %s AND %s)
                """,
                accounts,
                until,
                where,
                UNBILLED.sql,
            )
        )
        return [account_id for (account_id,) in rows]

    @api.model
    def _billed_query(self, moves, *by: str) -> SQL:
        """Return the query that sums the usage billed by documents, by document line.

        :param by: further columns to group by
        :return: columns ``move_id``, ``move_line_id``, those of ``by``, ``calls`` (without failed ones),
            ``duration`` (s) and ``amount``
        """
        return SQL(
            """
            SELECT u.move_id, u.move_line_id, %(by)s, count(*) FILTER (WHERE u.duration > 0 OR u.amount <> 0) AS calls,
                   COALESCE(sum(u.duration), 0)::bigint AS duration, COALESCE(sum(u.amount), 0) AS amount
              FROM astpp_usage u
             WHERE u.move_id = ANY(%(ids)s)
          GROUP BY u.move_id, u.move_line_id, %(by)s
            """,
            by=SQL(", ").join(SQL.identifier("u", name) for name in by),
            ids=moves.ids,
        )

    @api.model
    def _billed_sums(self, moves, *by: str) -> list[dict]:
        """Return the rows of ``_billed_query`` as dicts, with ``amount`` as Decimal."""
        self.flush_model()
        rows = self.env.execute_query_dict(
            SQL(
                "SELECT move_id, move_line_id, %s, calls, duration, amount::text FROM (%s) billed",
                SQL(", ").join(map(SQL.identifier, by)),
                self._billed_query(moves, *by),
            )
        )
        return [row | {"amount": Decimal(row["amount"])} for row in rows]

    @api.model
    def _bills_usage(self, move_id: SQL) -> SQL:
        """Return the SQL condition that a document bills usage.

        :param move_id: SQL expression for the document's id
        """
        return SQL("EXISTS (SELECT 1 FROM astpp_usage u WHERE u.move_id = %s)", move_id)

    @api.model
    def _daily_sums(self, issuers, start: date, end: date) -> list[tuple[date, int, float]]:
        """Return [(UTC day, lines, amount)] of issuers' usage, ``start`` to ``end`` inclusive, without held lines."""
        self.flush_model()
        return self.env.execute_query(
            SQL(
                """
                SELECT d::date, COALESCE(u.lines, 0), COALESCE(u.amount, 0)
                  FROM generate_series(%(start)s::date, %(end)s::date, '1 day') d
             LEFT JOIN (SELECT date::date AS day, count(*) AS lines, sum(amount) AS amount FROM astpp_usage
                         WHERE date >= %(start)s AND issuer_id = ANY(%(issuers)s) AND %(counts)s
                      GROUP BY 1) u ON u.day = d
              ORDER BY 1
                """,
                start=start,
                end=end,
                issuers=issuers.ids,
                counts=NOT_HELD.sql,
            )
        )
