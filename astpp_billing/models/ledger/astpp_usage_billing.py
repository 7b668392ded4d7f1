from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from odoo import api, models
from odoo.tools import SQL

from .total_key import SUMS, waiting_state
from .usage_state import WAITING

BEGINNING = datetime(1970, 1, 1)
# What a group of usage comes to; all else that it says is what its totals have in common.
GROUP_SUMS = frozenset(("lines", "calls", "duration", "amount"))
# The columns that totals can be grouped by, with PostgreSQL's types, and which of them may be empty.
KEYS = {
    **dict.fromkeys(("account_id", "issuer_id", "partner_id", "server_id", "product_id"), "int4"),
    **dict.fromkeys(("charge_type", "direction"), "text"),
    "until": "timestamp",
}
MAY_BE_EMPTY = ("direction", "product_id")


class AstppUsage(models.Model):
    """Usage becomes part of documents: its totals are summed in groups, each group is billed by one line.

    What is promised: usage is on one line of a document or on none, and what is on it is what was summed. ``_bill``
    finds the totals of a group by the same conditions as ``_sum_unbilled`` finds usage, takes only what is unbilled,
    and fails unless it finds as many lines of usage. Both have to be called in one transaction: under REPEATABLE READ
    both see the same ledger, and whoever changed a total meanwhile makes the transaction fail, which is then begun
    anew. Nothing is committed here, and no usage is written but where a total has to be cut.
    """

    _inherit = "astpp.usage"

    @api.model
    def _sum_unbilled(self, scope: str, spans: dict, by: tuple, where: SQL | None = None, prepaid=False) -> list[dict]:
        """Sum unbilled usage exactly, in groups that ``_bill`` can bill.

        Totals that lie in their span as a whole are added up; of others the lines that do.

        :param scope: ``account_id`` or ``issuer_id``
        :param spans: {id of the scope: (since or None, until)}, half-open, naive UTC
        :param by: columns whose values make a group, of ``KEYS``
        :param where: condition on ``astpp_usage_total t`` that chooses whole groups
        :param prepaid: sum what is to be recognised as income instead of what is to be invoiced
        :return: dicts with the scope, the columns, ``until``, ``prepaid``, and what the group comes to: ``lines``,
            ``calls`` (failed ones left out), ``duration`` (s) and ``amount`` (Decimal, base currency)
        """
        self.flush_model()
        columns = SQL(", ").join(SQL.identifier(name) for name in by)
        rows = self.env.execute_query_dict(
            SQL(
                """
                WITH chosen AS (
                    SELECT span.id AS span_id, span.since, span.until AS span_until, t.*,
                           t.first_date >= span.since AND t.last_date < span.until AS is_whole
                      FROM unnest(%(ids)s::int[], %(since)s::timestamp[], %(until)s::timestamp[]) AS span(id, since, until)
                      JOIN astpp_usage_total t ON t.%(scope)s = span.id
                                              AND t.first_date < span.until AND t.last_date >= span.since
                     WHERE t.state = %(state)s AND t.lines > 0 AND %(where)s
                ), part AS (
                    SELECT span_id, span_until, %(columns)s, lines, calls, duration, amount FROM chosen WHERE is_whole
                 UNION ALL
                    SELECT c.span_id, c.span_until, %(columns_of_c)s, u.lines, u.calls, u.duration, u.amount
                      FROM chosen c
                CROSS JOIN LATERAL (SELECT %(sums)s FROM astpp_usage u
                                     WHERE u.total_id = c.id AND u.date >= c.since AND u.date < c.span_until) u
                     WHERE NOT c.is_whole AND u.lines > 0
                )
                SELECT span_id AS %(scope)s, span_until AS until, %(columns)s, sum(lines)::int AS lines,
                       sum(calls)::int AS calls, sum(duration)::bigint AS duration, sum(amount)::text AS amount
                  FROM part
              GROUP BY span_id, span_until, %(columns)s
                """,
                scope=SQL.identifier(scope),
                columns=columns,
                columns_of_c=SQL(", ").join(SQL.identifier("c", name) for name in by),
                ids=list(spans),
                since=[since or BEGINNING for since, _until in spans.values()],
                until=[until for _since, until in spans.values()],
                state="prepaid" if prepaid else "open",
                where=where or SQL("TRUE"),
                sums=SUMS,
            )
        )
        return [row | {"prepaid": prepaid, "amount": Decimal(row["amount"])} for row in rows]

    def _one_by_one(self) -> list[dict]:
        """Return each of these postpaid lines as a group of its own for ``_bill_alone``."""
        return [{"id": usage.id} for usage in self]

    @api.model
    def _bill(self, links: Iterable[tuple[dict, models.BaseModel]]):
        """Point the totals of each group to the line of a document that bills it, in one statement.

        Totals that go beyond the group's end are cut there before.

        :param links: list of (group, ``account.move.line``), the groups from one call of ``_sum_unbilled``; whoever
            calls puts what the group comes to on the line
        :raise AssertionError: when other usage is unbilled than was summed
        """
        links = list(links)
        if not links:
            return
        self.flush_model()
        state = "prepaid" if links[0][0]["prepaid"] else "open"
        keys = [name for name in links[0][0] if name not in GROUP_SUMS and name != "prepaid"]
        table = SQL(
            "unnest(%s, %s::int[], %s::int[]) AS link(%s, line_id, document_id)",
            SQL(", ").join(
                SQL("%s::%s[]", [group[name] for group, _line in links], SQL.identifier(KEYS[name])) for name in keys
            ),
            [line.id for _group, line in links],
            [line.move_id.id for _group, line in links],
            SQL(", ").join(map(SQL.identifier, keys)),
        )
        same = SQL(" AND ").join(self._group_condition(name) for name in keys if name != "until")
        self._split_totals(
            SQL(
                """
                SELECT t.id AS old_id, nextval('astpp_usage_total_id_seq') AS new_id, link.until
                  FROM %s JOIN astpp_usage_total t ON %s
                 WHERE t.state = %s AND t.first_date < link.until AND t.last_date >= link.until
                """,
                table,
                same,
                state,
            ),
            SQL("u.date < s.until"),
        )
        billed = self.env.execute_query(
            SQL(
                """
                UPDATE astpp_usage_total t
                   SET move_line_id = link.line_id, move_id = link.document_id, takes_lines = FALSE,
                       state = CASE WHEN t.prepaid THEN 'recognised' ELSE 'billed' END,
                       changed_date = now() AT TIME ZONE 'UTC'
                  FROM %s
                 WHERE %s AND t.state = %s AND t.last_date < link.until AND t.lines > 0
             RETURNING t.lines
                """,
                table,
                same,
                state,
            )
        )
        linked, summed = sum(lines for (lines,) in billed), sum(group["lines"] for group, _line in links)
        if linked != summed:
            raise AssertionError(f"{linked} usage lines linked, {summed} summed")
        self._forget_billed()

    @api.model
    def _bill_alone(self, links: Iterable[tuple[dict, models.BaseModel]]):
        """Bill single lines of usage, each by a line of a document: each gets a total of its own.

        :param links: list of (group of ``_one_by_one``, ``account.move.line``)
        :raise AssertionError: when one of them is not to be invoiced
        """
        links = list(links)
        self.flush_model()
        self._split_totals(
            SQL(
                """
                SELECT u.total_id AS old_id, nextval('astpp_usage_total_id_seq') AS new_id, t.until, u.id AS usage_id
                  FROM astpp_usage u JOIN astpp_usage_total t ON t.id = u.total_id
                 WHERE u.id = ANY(%s) AND t.state = 'open'
                """,
                [group["id"] for group, _line in links],
            ),
            SQL("u.id = s.usage_id"),
        )
        billed = self.env.execute_query(
            SQL(
                """
                UPDATE astpp_usage_total t
                   SET move_line_id = link.line_id, move_id = link.document_id, state = 'billed',
                       changed_date = now() AT TIME ZONE 'UTC'
                  FROM unnest(%s::int[], %s::int[], %s::int[]) AS link(usage_id, line_id, document_id)
                  JOIN astpp_usage u ON u.id = link.usage_id
                 WHERE t.id = u.total_id AND t.state = 'open' AND t.lines = 1
             RETURNING t.id
                """,
                [group["id"] for group, _line in links],
                [line.id for _group, line in links],
                [line.move_id.id for _group, line in links],
            )
        )
        if len(billed) != len(links):
            raise AssertionError(f"{len(billed)} usage lines linked, {len(links)} given")
        self._forget_billed()

    @api.model
    def _group_condition(self, name: str) -> SQL:
        """Return the condition that a total ``t`` has in common with its group ``link``."""
        equal = SQL("IS NOT DISTINCT FROM" if name in MAY_BE_EMPTY else "=")
        return SQL("%s %s %s", SQL.identifier("t", name), equal, SQL.identifier("link", name))

    @api.model
    def _free(self, lines):
        """Make the usage that these document lines bill unbilled again, in one statement.

        What was credited stays credited.

        :param lines: ``account.move.line``
        """
        if not lines:
            return
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_usage_total t
                   SET move_line_id = NULL, move_id = NULL, state = %s, changed_date = now() AT TIME ZONE 'UTC'
                 WHERE t.move_line_id = ANY(%s) AND t.state IN ('billed', 'recognised')
                """,
                waiting_state("t"),
                lines.ids,
            )
        )
        if self.env.cr.rowcount:
            self._forget_billed()

    @api.model
    def _rebill(self, links: Iterable[tuple[models.BaseModel, models.BaseModel]]):
        """Move all usage of some document lines to other document lines, in one statement.

        Nothing is summed again, because the usage of a line moves as a whole.

        :param links: list of (old, new) ``account.move.line``
        """
        links = list(links)
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_usage_total t SET move_line_id = link.new_id, move_id = link.document_id,
                       changed_date = now() AT TIME ZONE 'UTC'
                  FROM unnest(%s::int[], %s::int[], %s::int[]) AS link(old_id, new_id, document_id)
                 WHERE t.move_line_id = link.old_id
                """,
                [old.id for old, _new in links],
                [new.id for _old, new in links],
                [new.move_id.id for _old, new in links],
            )
        )
        self._forget_billed()

    @api.model
    def _hold(self, reason: str, where: SQL) -> int:
        """Hold what waits to be billed: it is billed once somebody releases it.

        :param reason: a key of ``EXCEPTIONS``
        :param where: condition on ``astpp_usage u``
        :return: number of lines held
        """
        self.flush_model()
        held = self.env.execute_query(
            SQL("UPDATE astpp_usage u SET exception = %s WHERE %s AND %s RETURNING id", reason, where, WAITING.sql)
        )
        if held:
            self.invalidate_model()
            self._retotal(SQL("u.id = ANY(%s)", [usage_id for (usage_id,) in held]))
        return len(held)

    @api.model
    def _forget_billed(self):
        self.invalidate_model(["total_id", "move_line_id", "move_id", "billing_state"])
        self.env["astpp.usage.total"].invalidate_model()
