from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from odoo import api, models
from odoo.tools import SQL

from .usage_state import UNBILLED, UNRECOGNISED, WAITING

BEGINNING = datetime(1970, 1, 1)
# Aggregates of a usage group; its other entries are the values that its lines have in common.
SUMS = frozenset(("lines", "calls", "duration", "amount"))
# The columns that lines can be grouped by with their PostgreSQL types, and those that may be NULL.
KEYS = {
    **dict.fromkeys(("id", "account_id", "issuer_id", "server_id", "product_id"), "int4"),
    **dict.fromkeys(("charge_type", "direction"), "text"),
    "until": "timestamp",
}
MAY_BE_EMPTY = ("direction", "product_id")


class AstppUsage(models.Model):
    """Billing: usage is summed in groups, each group is billed by one document line, and can be freed again.

    Guarantee: each usage line is on at most one document line, and that line bills exactly what was summed. ``_bill``
    selects the lines of a group by the same conditions as ``_sum_unbilled``, takes only unbilled ones, and fails if
    the count differs. Both must be called in the same transaction: under REPEATABLE READ they see the same ledger, and
    a concurrent change makes the transaction fail and start again. Nothing is committed here.
    """

    _inherit = "astpp.usage"

    @api.model
    def _sum_unbilled(self, scope: str, spans: dict, by: tuple, where: SQL | None = None, prepaid=False) -> list[dict]:
        """Sum unbilled usage exactly, in groups that ``_bill`` can bill.

        :param scope: ``account_id`` or ``issuer_id``
        :param spans: {id of the scope: (since or None, until)}, half-open, naive UTC
        :param by: columns to group by, from ``KEYS``
        :param where: condition on ``astpp_usage u``; it must never split a group, as ``_bill`` does not repeat it
        :param prepaid: sum prepaid usage to be recognised as income instead of postpaid usage to be invoiced
        :return: a dict for each group with the scope, the columns of ``by``, ``until``, ``prepaid`` and the aggregates
            ``lines``, ``calls`` (without failed ones), ``duration`` (s) and ``amount`` (Decimal, base currency)
        """
        self.flush_model()
        columns = SQL(", ").join(SQL.identifier("u", name) for name in by)
        rows = self.env.execute_query_dict(
            SQL(
                """
                SELECT span.id AS %(scope)s, span.until, %(columns)s, count(*) AS lines,
                       count(*) FILTER (WHERE u.duration > 0 OR u.amount <> 0) AS calls,
                       COALESCE(sum(u.duration), 0)::bigint AS duration, COALESCE(sum(u.amount), 0)::text AS amount
                  FROM unnest(%(ids)s::int[], %(since)s::timestamp[], %(until)s::timestamp[]) AS span(id, since, until)
                  JOIN astpp_usage u ON u.%(scope)s = span.id AND u.date >= span.since AND u.date < span.until
                 WHERE %(state)s AND %(where)s
              GROUP BY span.id, span.until, %(columns)s
                """,
                scope=SQL.identifier(scope),
                columns=columns,
                ids=list(spans),
                since=[since or BEGINNING for since, _until in spans.values()],
                until=[until for _since, until in spans.values()],
                state=(UNRECOGNISED if prepaid else UNBILLED).sql,
                where=where or SQL("TRUE"),
            )
        )
        return [row | {"prepaid": prepaid, "amount": Decimal(row["amount"])} for row in rows]

    def _one_by_one(self) -> list[dict]:
        """Return each of these postpaid lines as a group of its own for ``_bill``."""
        return [{"id": usage.id, "prepaid": False, "lines": 1} for usage in self]

    @api.model
    def _bill(self, links: Iterable[tuple[dict, models.BaseModel]]):
        """Link the usage of each group to the document line that bills it, in one statement.

        :param links: list of (group, ``account.move.line``); the groups come from one call of ``_sum_unbilled`` or of
            ``_one_by_one``. The caller sets the amount of the line
        :raise AssertionError: when the number of lines linked differs from the number summed
        """
        links = list(links)
        if not links:
            return
        keys = [name for name in links[0][0] if name not in SUMS and name != "prepaid"]
        columns = [[group[name] for group, _line in links] for name in keys]
        conditions = [self._group_condition(name) for name in keys]
        self.flush_model()
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_usage u SET move_line_id = link.line_id, move_id = link.document_id
                  FROM unnest(%s, %s::int[], %s::int[]) AS link(%s, line_id, document_id)
                 WHERE %s AND %s
                """,
                SQL(", ").join(
                    SQL("%s::%s[]", column, SQL.identifier(KEYS[name]))
                    for name, column in zip(keys, columns, strict=True)
                ),
                [line.id for _group, line in links],
                [line.move_id.id for _group, line in links],
                SQL(", ").join(map(SQL.identifier, keys)),
                SQL(" AND ").join(conditions),
                (UNRECOGNISED if links[0][0]["prepaid"] else UNBILLED).sql,
            )
        )
        linked, summed = self.env.cr.rowcount, sum(group["lines"] for group, _line in links)
        if linked != summed:
            raise AssertionError(f"{linked} usage lines linked, {summed} summed")
        self.invalidate_model(["move_line_id", "move_id"])

    @api.model
    def _group_condition(self, name: str) -> SQL:
        """Return the condition on one key under which a usage line ``u`` belongs to a group ``link``."""
        link = SQL.identifier("link", name)
        if name == "until":
            return SQL("u.date < %s", link)
        equal = SQL("IS NOT DISTINCT FROM" if name in MAY_BE_EMPTY else "=")
        return SQL("%s %s %s", SQL.identifier("u", name), equal, link)

    @api.model
    def _free(self, lines):
        """Make the usage that these document lines bill unbilled again, in one statement.

        :param lines: ``account.move.line``
        """
        if not lines:
            return
        self.flush_model(["move_line_id", "move_id"])
        self.env.cr.execute(
            SQL(
                "UPDATE astpp_usage SET move_line_id = NULL, move_id = NULL WHERE move_line_id = ANY(%s)",
                lines.ids,
            )
        )
        if self.env.cr.rowcount:
            self.invalidate_model(["move_line_id", "move_id"])

    @api.model
    def _rebill(self, links: Iterable[tuple[models.BaseModel, models.BaseModel]]):
        """Move all usage of some document lines to other document lines, in one statement.

        Nothing is summed again, because the usage of a line moves as a whole.

        :param links: list of (old, new) ``account.move.line``
        """
        links = list(links)
        self.flush_model()
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_usage u SET move_line_id = link.new_id, move_id = link.document_id
                  FROM unnest(%s::int[], %s::int[], %s::int[]) AS link(old_id, new_id, document_id)
                 WHERE u.move_line_id = link.old_id
                """,
                [old.id for old, _new in links],
                [new.id for _old, new in links],
                [new.move_id.id for _old, new in links],
            )
        )
        self.invalidate_model(["move_line_id", "move_id"])

    @api.model
    def _hold(self, reason: str, where: SQL) -> int:
        """Put waiting usage on hold, in one statement; it is not billed until somebody releases it.

        :param reason: a key of ``EXCEPTIONS``
        :param where: condition on ``astpp_usage u``
        :return: number of lines held
        """
        self.flush_model()
        self.env.cr.execute(SQL("UPDATE astpp_usage u SET exception = %s WHERE %s AND %s", reason, where, WAITING.sql))
        held = self.env.cr.rowcount
        self.invalidate_model()
        return held
