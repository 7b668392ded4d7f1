from odoo import api, models
from odoo.sql_db import db_connect
from odoo.tools import SQL

from .total_key import SUM_NAMES, changed_by, columns, waiting_state
from .usage_copy import DaySums, TotalIds


class AstppUsage(models.Model):
    """Totals of calls that are copied straight into the ledger: the thread that reads them names their totals."""

    _inherit = "astpp.usage"

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
            ("\t".join(str(value or "") for value in owner), until, charge_type, direction, exception): total_id
            for total_id, *owner, until, charge_type, direction, exception in rows
        }
        name = self.env.cr.dbname

        def reserve():
            # Whoever reads has no part in this transaction, and a sequence knows none.
            with db_connect(name).cursor() as cursor:
                cursor.execute("SELECT nextval('astpp_usage_total_id_seq') FROM generate_series(1, 100)")
                return [total_id for (total_id,) in cursor.fetchall()]

        return TotalIds(known, reserve)

    @api.model
    def _whole_totals(self, sums: DaySums) -> dict:
        """Return {key: [total id, and the ``SUM_NAMES``]} of sums by day."""
        totals = {}
        for (key, _day), (total_id, _source, lines, calls, duration, _rated, amount, *more) in sums.items():
            credit, cost, first, last = more
            if (total := totals.get(key)) is None:
                totals[key] = [total_id, lines, calls, duration, amount, credit, cost, first, last]
                continue
            for position, value in enumerate((lines, calls, duration, amount, credit, cost), 1):
                total[position] += value
            total[7], total[8] = min(total[7], first), max(total[8], last)
        return totals

    @api.model
    def _add_up(self, server, sums: DaySums, last_id: int) -> bool:
        """Add what calls come to that have just been copied.

        :param sums: what ``owned_lines`` filled
        :param last_id: the last line before them
        :return: whether all of these totals take lines; lines of others were put into those that do
        """
        if not sums:
            return True
        totals = self._whole_totals(sums)
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
                           %(state)s,
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
                state=waiting_state("copied"),
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
        self._add_days(
            [
                (total_id, source, day, lines, duration, rated_amount, amount, credit, cost)
                for (_key, day), (
                    total_id, source, lines, _calls, duration, rated_amount, amount, credit, cost, _first, _last
                ) in sums.items()
                if total_id not in closed
            ]
        )  # fmt: skip
        if not closed:
            return True
        self._retotal(SQL("u.total_id IS NULL AND u.id > %s", last_id))
        return False
