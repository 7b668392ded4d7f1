import psycopg2

from odoo import api, models
from odoo.tools import SQL

from ..usage_copy import CHUNK, COPY_COLUMNS, CopyStream, Owners, in_chunks, staged_lines

STAGING = "astpp_usage_staging"


class AstppUsage(models.Model):
    """Bulk loading: COPY into a staging table, then what is new in one statement."""

    _inherit = "astpp.usage"

    @api.model
    def _load_calls(self, server, records):
        """Add call records to the ledger; records that it has already are passed over.

        :param server: the ``astpp.server`` they come from
        :param records: iterator of ``(line, CallRecord)``; read once, never held in memory
        :return: dict of counts: ``read``, ``added``, ``known``, and ``exceptions`` by kind
            among the added ones
        :raise Exception: what the iterator raises; the transaction is to be rolled back then
        """
        return self._load_staged(server, in_chunks(staged_lines(records)))

    @api.model
    def _load_staged(self, server, chunks):
        """Add what chunks of ``staged_lines`` say: see ``_load_calls``."""
        server.ensure_one()
        self._create_staging()
        self._copy(STAGING, None, chunks)
        for model in ("astpp.account", "astpp.subscription", "astpp.did"):
            self.env[model].flush_model()
        self.flush_model()
        read = self.env.execute_query(SQL("SELECT count(*) FROM %s", SQL.identifier(STAGING)))[0][0]
        counts = dict(self.env.execute_query(self._insert_staged_query(server)))
        self.invalidate_model()
        added = sum(counts.values())
        counts.pop(None, None)
        return {"read": read, "added": added, "known": read - added, "exceptions": counts}

    @api.model
    def _copy(self, table, columns, chunks):
        """Feed chunks of lines to COPY; an empty field is NULL.

        :param columns: names, None for all of the table's
        :raise Exception: what the chunks raise
        """
        stream = CopyStream(chunks)
        names = f" ({', '.join(columns)})" if columns else ""
        try:
            self.env.cr.copy_expert(f"COPY {table}{names} FROM STDIN (NULL '')", stream, CHUNK)
        except psycopg2.errors.QueryCanceled as cancelled:
            raise stream.error or cancelled from cancelled

    @api.model
    def _copy_owned(self, chunks):
        """Copy chunks of ``owned_lines`` into the ledger.

        Should one of them be there after all, its key is refused and nothing is copied.
        """
        self.flush_model()
        self._copy(self._table, COPY_COLUMNS, chunks)
        self.invalidate_model()

    @api.model
    def _owners(self, server):
        """Return the ``Owners`` of a server's calls as this transaction sees them."""
        self.env["astpp.account"].flush_model()
        accounts = {
            astpp_id: "\t".join(str(value or "") for value in ids)
            for astpp_id, *ids in self.env.execute_query(
                SQL(
                    "SELECT astpp_id, id, partner_id, issuer_id, CASE payment_mode WHEN 'prepaid' THEN 't' ELSE 'f' END "
                    "FROM astpp_account WHERE server_id = %s",
                    server.id,
                )
            )
            if astpp_id
        }
        return Owners(
            f"{server.id}\t{server.company_id.id}\t{server.currency_id.id}",
            accounts,
            self._order_subscriptions(server),
            server._did_ids(),
        )

    @api.model
    def _order_subscriptions(self, server):
        """Return {(ASTPP's order id, account's ASTPP id): subscription id}."""
        self.env["astpp.subscription"].flush_model(["account_id", "astpp_order_id"])
        rows = self.env.execute_query(
            SQL(
                """
                SELECT s.astpp_order_id, a.astpp_id, s.id
                  FROM astpp_subscription s JOIN astpp_account a ON a.id = s.account_id
                 WHERE s.server_id = %s AND s.astpp_order_id > 0
                """,
                server.id,
            )
        )
        return {(order_id, account_id): key for order_id, account_id, key in rows}

    @api.model
    def _tell_planner(self):
        """Let PostgreSQL know of many new rows now, not when its autovacuum gets to it."""
        self.env.cr.execute("ANALYZE astpp_usage")

    def _create_staging(self):
        self.env.cr.execute(
            SQL(
                """
                DROP TABLE IF EXISTS %(staging)s;
                CREATE TEMPORARY TABLE %(staging)s (
                    line int, source text, row_key text, account_astpp_id int, account_number text, date timestamp,
                    charge_type text, direction text, uniqueid text, caller text, callee text, destination text,
                    pattern text, disposition text, duration int, rated_amount numeric, amount numeric,
                    cost numeric, exception text, package_id int
                ) ON COMMIT DROP
                """,
                staging=SQL.identifier(STAGING),
            )
        )

    def _insert_staged_query(self, server):
        """Return the statement that moves new rows to the ledger and counts them by exception.

        Rows equal in everything are twins (a replayed call record): the first one counts, the
        others get an ordinal in their key and an exception (ASTPP facts 2.3).
        """
        # The same leg of a call, entered before with other values: billed once at most.
        changed = SQL(
            """
            EXISTS (SELECT 1 FROM astpp_usage e
                     WHERE e.account_id = s.account_id AND e.date = s.date AND e.uniqueid = s.uniqueid
                       AND e.source = s.source AND e.source_key NOT LIKE s.row_key || '%%')
            """
        )
        # The same row by another way in: from ASTPP's table and by API, for instance.
        elsewhere = SQL(
            """
            EXISTS (SELECT 1 FROM astpp_usage e
                     WHERE e.source_key = s.row_key AND e.server_id = %s AND e.source <> s.source)
            """,
            server.id,
        )
        return SQL(
            """
            WITH account AS (
                SELECT id, astpp_id, number, partner_id, issuer_id, payment_mode = 'prepaid' AS prepaid,
                       status = 'closed' AS closed
                  FROM astpp_account WHERE server_id = %(server)s
            ), staged AS (
                SELECT s.*, row_number() OVER (PARTITION BY source, row_key ORDER BY line) - 1 AS twin,
                       COALESCE(i.id, n.id) AS account_id,
                       COALESCE(i.partner_id, n.partner_id) AS partner_id,
                       COALESCE(i.issuer_id, n.issuer_id) AS issuer_id,
                       COALESCE(i.prepaid, n.prepaid, FALSE) AS prepaid
                  FROM %(staging)s s
             LEFT JOIN account i ON i.astpp_id = NULLIF(s.account_astpp_id, 0)
             LEFT JOIN (SELECT DISTINCT ON (number) * FROM account ORDER BY number, closed, id DESC) n
                    ON n.number = s.account_number
            ), added AS (
                INSERT INTO astpp_usage (
                    server_id, company_id, currency_id, source, source_key, account_id, account_ref, partner_id,
                    issuer_id, date, charge_type, direction, uniqueid, caller, callee, destination, pattern,
                    disposition, duration, rated_amount, amount, cost, prepaid, subscription_id, did_id, exception,
                    second_exception)
                SELECT %(server)s, %(company)s, %(currency)s, s.source,
                       CASE WHEN twin = 0 THEN row_key ELSE row_key || '-' || twin END,
                       s.account_id,
                       CASE WHEN s.account_id IS NULL THEN COALESCE(s.account_number, '#' || s.account_astpp_id) END,
                       s.partner_id, s.issuer_id, s.date, s.charge_type, s.direction, s.uniqueid, s.caller,
                       s.callee, s.destination, s.pattern, s.disposition, s.duration, s.rated_amount, s.amount,
                       s.cost, s.prepaid,
                       (SELECT p.id FROM astpp_subscription p
                         WHERE s.package_id IS NOT NULL AND p.server_id = %(server)s
                           AND p.astpp_order_id = s.package_id AND p.account_id = s.account_id),
                       (SELECT min(d.id) FROM astpp_did d
                         WHERE s.charge_type = 'did' AND s.direction = 'inbound' AND d.number = s.callee
                           AND d.server_id = %(server)s),
                       CASE WHEN s.account_id IS NULL THEN 'unknown_account'
                            WHEN twin > 0 OR %(elsewhere)s THEN 'duplicate'
                            WHEN %(changed)s THEN 'changed'
                            ELSE s.exception END,
                       CASE WHEN s.account_id IS NOT NULL THEN NULL
                            WHEN twin > 0 OR %(elsewhere)s THEN 'duplicate'
                            ELSE s.exception END
                  FROM staged s
           ON CONFLICT (server_id, source, source_key) WHERE source_key IS NOT NULL DO NOTHING
             RETURNING exception
            )
            SELECT exception, count(*) FROM added GROUP BY exception
            """,
            staging=SQL.identifier(STAGING),
            server=server.id,
            company=server.company_id.id,
            currency=server.currency_id.id,
            changed=changed,
            elsewhere=elsewhere,
        )
