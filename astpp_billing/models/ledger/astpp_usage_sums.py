from datetime import date, datetime
from decimal import Decimal

from odoo import api, models
from odoo.tools import SQL

from .astpp_usage_days import whole_days
from .total_key import KEY, columns
from .usage_copy import END_OF_TIME


class AstppUsage(models.Model):
    """Sums of usage for documents, balances and charts. Amounts are in the servers' base currencies."""

    _inherit = "astpp.usage"

    @api.model
    def _unbilled_around(self, moments: dict[int, datetime]) -> dict[int, tuple[float, float]]:
        """Return {account id: (unbilled before, unbilled since)} of {account id: moment}."""
        since = {account: (moment, END_OF_TIME) for account, moment in moments.items()}
        before = {account: (None, moment) for account, moment in moments.items()}
        sums = [
            {row["account_id"]: float(row["amount"]) for row in self._sum_unbilled("account_id", spans, ("server_id",))}
            for spans in (before, since)
        ]
        return {account: tuple(side.get(account, 0.0) for side in sums) for account in moments}

    @api.model
    def _accounts_with_unbilled(self, accounts: SQL, until: datetime, where: SQL) -> list[int]:
        """Return the ids of the accounts that have unbilled usage before a moment, failed calls excluded.

        :param accounts: query for ids of accounts
        :param where: condition on ``astpp_usage_total t`` that chooses whole totals
        """
        self.flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT chosen.id FROM (%(accounts)s) AS chosen
                 WHERE EXISTS (SELECT 1 FROM astpp_usage_total t
                                WHERE t.account_id = chosen.id AND t.state = 'open' AND t.calls > 0
                                  AND t.first_date < %(until)s AND %(where)s
                                  AND (t.last_date < %(until)s
                                       -- A scalar: PostgreSQL would hash the whole ledger for an EXISTS.
                                       OR (SELECT TRUE FROM astpp_usage u
                                            WHERE u.total_id = t.id AND u.date < %(until)s
                                              AND (u.duration > 0 OR u.amount <> 0) LIMIT 1)))
                """,
                accounts=accounts,
                until=until,
                where=where,
            )
        )
        return [account_id for (account_id,) in rows]

    @api.model
    def _left_behind(self, issuers, until: datetime, where: SQL, accounts=None) -> list[int]:
        """Return the ids of accounts that none of these issuers invoices any more, with unbilled usage of their time.

        Failed calls do not count.

        :param issuers: ``astpp.issuer``
        :param until: naive UTC; usage before it
        :param where: condition on ``astpp_usage_total t``
        :param accounts: look at these only
        """
        self.flush_model()
        self.env["astpp.account"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT t.account_id
                  FROM astpp_usage_total t JOIN astpp_account a ON a.id = t.account_id
                 WHERE t.issuer_id = ANY(%(issuers)s) AND t.state = 'open' AND t.calls > 0 AND t.first_date < %(until)s
                   AND a.issuer_id <> ALL(%(issuers)s) AND %(where)s AND %(accounts)s
                """,
                issuers=issuers.ids,
                until=until,
                where=where,
                accounts=SQL("TRUE") if accounts is None else SQL("t.account_id = ANY(%s)", accounts.ids),
            )
        )
        return [account_id for (account_id,) in rows]

    @api.model
    def _last_unbilled(self, accounts, until: datetime, where: SQL) -> dict[int, datetime]:
        """Return {account id: date of the newest unbilled usage before a moment}, failed calls excluded.

        :param where: condition on ``astpp_usage_total t`` that chooses whole totals
        """
        if not accounts:
            return {}
        self.flush_model()
        return dict(
            self.env.execute_query(
                SQL(
                    """
                    SELECT t.account_id, max(u.date)
                      FROM astpp_usage_total t
                CROSS JOIN LATERAL (SELECT date FROM astpp_usage
                                     WHERE total_id = t.id AND date < %(until)s AND (duration > 0 OR amount <> 0)
                                  ORDER BY date DESC LIMIT 1) u
                     WHERE t.account_id = ANY(%(accounts)s) AND t.state = 'open' AND t.calls > 0
                       AND t.first_date < %(until)s AND %(where)s
                  GROUP BY t.account_id
                    """,
                    until=until,
                    accounts=accounts.ids,
                    where=where,
                )
            )
        )

    @api.model
    def _billed_query(self, moves, *by: str) -> SQL:
        """Return the query that sums the usage billed by documents, by document line.

        :param by: columns whose values make a row; those of totals alone cost no look at usage
        :return: columns ``move_id``, ``move_line_id``, those, ``calls`` (failed ones left out), ``duration`` (s), ``amount``
        """
        if set(by) <= set(KEY):
            return SQL(
                """
                SELECT t.move_id, t.move_line_id, %(by)s, sum(t.calls)::int AS calls, sum(t.duration)::bigint AS duration,
                       sum(t.amount) AS amount
                  FROM astpp_usage_total t
                 WHERE t.move_id = ANY(%(ids)s)
              GROUP BY t.move_id, t.move_line_id, %(by)s
                """,
                by=columns(by, "t"),
                ids=moves.ids,
            )
        return SQL(
            """
            SELECT t.move_id, t.move_line_id, %(by)s, count(*) FILTER (WHERE u.duration > 0 OR u.amount <> 0) AS calls,
                   COALESCE(sum(u.duration), 0)::bigint AS duration, COALESCE(sum(u.amount), 0) AS amount
              FROM astpp_usage_total t JOIN astpp_usage u ON u.total_id = t.id
             WHERE t.move_id = ANY(%(ids)s)
          GROUP BY t.move_id, t.move_line_id, %(by)s
            """,
            by=columns(by, "u"),
            ids=moves.ids,
        )

    @api.model
    def _billed_sums(self, moves, *by: str) -> list[dict]:
        """Return the rows of ``_billed_query`` as dicts, with ``amount`` as Decimal."""
        self.flush_model()
        rows = self.env.execute_query_dict(
            SQL(
                "SELECT move_id, move_line_id, %s, calls, duration, amount::text FROM (%s) billed",
                columns(by),
                self._billed_query(moves, *by),
            )
        )
        return [row | {"amount": Decimal(row["amount"])} for row in rows]

    @api.model
    def _bills_usage(self, move_id: SQL) -> SQL:
        """Return the SQL condition that a document bills usage.

        :param move_id: SQL expression for the document's id
        """
        return SQL("EXISTS (SELECT 1 FROM astpp_usage_total t WHERE t.move_id = %s)", move_id)

    @api.model
    def _delivered_query(self, server, source: str, start: datetime, end: datetime) -> SQL:
        """Return the query for what a source delivered, held or not, by UTC day and account.

        :param start: naive UTC, like ``end``; usage from there on
        :return: columns ``day``, ``account_id``, ``account_ref`` (of an unknown account), ``lines``, ``duration`` (s),
            ``rated_amount``; there may be several rows of a day and account
        """
        first, last = whole_days(start, end)
        return SQL(
            """
            SELECT day, account_id, NULL AS account_ref, lines, duration, rated_amount FROM astpp_usage_day
             WHERE server_id = %(server)s AND source = %(source)s AND account_id IS NOT NULL
               AND day >= %(first)s AND day < %(last)s
         UNION ALL
            -- Days know unknown accounts as one.
            SELECT u.date::date, u.account_id, u.account_ref, count(*), sum(u.duration), sum(u.rated_amount)
              FROM astpp_usage u
             WHERE u.server_id = %(server)s AND u.source = %(source)s AND u.account_id IS NULL
               AND u.date >= %(first)s AND u.date < %(last)s
          GROUP BY 1, 2, 3
         UNION ALL
            SELECT u.date::date, u.account_id, u.account_ref, count(*), sum(u.duration), sum(u.rated_amount)
              FROM astpp_usage u
             WHERE u.server_id = %(server)s AND u.source = %(source)s
               AND (u.date >= %(start)s AND u.date < %(first)s OR u.date >= %(last)s AND u.date < %(end)s)
          GROUP BY 1, 2, 3
            """,
            server=server.id,
            source=source,
            start=start,
            first=first,
            last=last,
            end=end,
        )

    @api.model
    def _daily_sums(self, issuers, start: date, end: date) -> list[tuple[date, int, float]]:
        """Return [(UTC day, lines, amount)] of issuers' usage, ``start`` to ``end`` inclusive, without held lines."""
        self.flush_model()
        return self.env.execute_query(
            SQL(
                """
                SELECT d::date, COALESCE(u.lines, 0), COALESCE(u.amount, 0)
                  FROM generate_series(%(start)s::date, %(end)s::date, '1 day') d
             LEFT JOIN (SELECT day, sum(lines) AS lines, sum(amount) AS amount FROM astpp_usage_day
                         WHERE day BETWEEN %(start)s AND %(end)s AND issuer_id = ANY(%(issuers)s) AND NOT held
                      GROUP BY 1) u ON u.day = d
              ORDER BY 1
                """,
                start=start,
                end=end,
                issuers=issuers.ids,
            )
        )
