import psycopg2

from odoo import api, models
from odoo.tools import SQL

from .total_key import MOVED, same_key
from .usage_copy import CHUNK, COPY_COLUMNS, CopyStream, Owners, in_chunks, staged_lines

STAGING = "astpp_usage_staging"
# The staged rows with their accounts, and the reasons to hold some of them as duplicates.
RESOLVED = "astpp_usage_resolved"
DOUBLES = "astpp_usage_doubles"
# What the staged rows are held for, and the totals that they go to.
PLACED = "astpp_usage_placed"
WANTED = "astpp_usage_wanted"


class AstppUsage(models.Model):
    """Bulk loading of calls: COPY into a staging table, look up accounts, find duplicates, insert what is new."""

    _inherit = "astpp.usage"

    @api.model
    def _load_calls(self, server, records, usage_import=None):
        """Add call records to the ledger; records that it already has are skipped.

        :param server: the ``astpp.server`` they come from
        :param records: iterator of ``(line, CallRecord)``, streamed
        :param usage_import: the ``astpp.usage.import`` of their file, by which they can be undone
        :return: dict of counts: ``read``, ``added``, ``known``, and ``exceptions``, a dict by exception
            among the added ones
        :raise Exception: whatever the iterator raises; roll back the transaction then
        """
        return self._load_staged(server, in_chunks(staged_lines(records)), usage_import)

    @api.model
    def _load_staged(self, server, chunks, usage_import=None):
        """Add the calls in chunks of ``staged_lines``: see ``_load_calls``.

        Duplicates are looked up in a statement of their own. Together with the INSERT, each lookup would scan the
        rows just inserted, with a query plan made for the table before them.
        """
        server.ensure_one()
        self._create_staging()
        self._copy(STAGING, None, chunks)
        for model in ("astpp.account", "astpp.account.term", "astpp.subscription", "astpp.did"):
            self.env[model].flush_model()
        self.flush_model()
        self.env.cr.execute(self._resolve_query(server, usage_import))
        # Autovacuum does not analyze temporary tables. The staging table is dropped to free its disk space.
        self.env.cr.execute(SQL("ANALYZE %s; DROP TABLE %s", SQL.identifier(RESOLVED), SQL.identifier(STAGING)))
        read = self._find_doubles(server, usage_import)
        self._find_totals(server)
        counts = dict(self.env.execute_query(self._insert_resolved_query(server, usage_import)))
        self.invalidate_model()
        added = sum(counts.values())
        counts.pop(None, None)
        return {"read": read, "added": added, "known": read - added, "exceptions": counts}

    @api.model
    def _copy(self, table, columns, chunks):
        """Feed chunks of lines to COPY; an empty field is NULL.

        :param columns: column names, or None for all columns of the table
        :raise Exception: whatever the iterator of chunks raises
        """
        stream = CopyStream(chunks)
        names = f" ({', '.join(columns)})" if columns else ""
        try:
            self.env.cr.copy_expert(f"COPY {table}{names} FROM STDIN (NULL '')", stream, CHUNK)
        except psycopg2.errors.QueryCanceled as cancelled:
            raise stream.error or cancelled from cancelled

    @api.model
    def _copy_owned(self, server, chunks, sums):
        """Copy chunks of ``owned_lines`` into the ledger, and add what they come to to their totals.

        Should one of them be there after all, its key is refused and nothing is copied.

        :param sums: what ``owned_lines`` filled, complete once the chunks were read
        :return: whether all totals still take lines; what went to others was put where it belongs
        """
        self.flush_model()
        [(last_id,)] = self.env.execute_query(SQL("SELECT last_value - (NOT is_called)::int FROM astpp_usage_id_seq"))
        self._copy(self._table, COPY_COLUMNS, chunks)
        self.invalidate_model()
        return self._add_up(server, sums, last_id)

    @api.model
    def _owners(self, server):
        """Return the ``Owners`` of a server's calls, as seen by this transaction."""
        self.env["astpp.account"].flush_model()
        self.env["astpp.account.term"].flush_model()
        accounts = {}
        for astpp_id, date_from, *ids in self.env.execute_query(
            SQL(
                """
                SELECT a.astpp_id, t.date_from, a.id, t.partner_id, t.issuer_id,
                       CASE t.payment_mode WHEN 'prepaid' THEN 't' ELSE 'f' END, CASE WHEN t.elsewhere THEN 't' ELSE 'f' END
                  FROM astpp_account a JOIN astpp_account_term t ON t.account_id = a.id
                 WHERE a.server_id = %s AND a.astpp_id <> 0
              ORDER BY a.id, t.date_from DESC
                """,
                server.id,
            )
        ):
            accounts.setdefault(astpp_id, []).append((date_from, "\t".join(str(value or "") for value in ids)))
        periods = {
            str(account): ends
            for account, ends in self._account_periods(
                SQL("SELECT id FROM astpp_account WHERE server_id = %s", server.id)
            ).items()
        }
        return Owners(
            f"{server.id}\t{server.company_id.id}\t{server.currency_id.id}",
            accounts,
            self._order_subscriptions(server),
            server._did_ids(),
            periods,
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
        """Update PostgreSQL's statistics after adding many rows, without waiting for autovacuum."""
        self.env.cr.execute("ANALYZE astpp_usage")

    def _create_staging(self):
        self.env.cr.execute(
            SQL(
                """
                DROP TABLE IF EXISTS %(staging)s, %(resolved)s, %(doubles)s, %(placed)s, %(wanted)s;
                CREATE TEMPORARY TABLE %(staging)s (
                    line int, source text, row_key text, account_astpp_id int, account_number text, date timestamp,
                    charge_type text, direction text, uniqueid text, caller text, callee text, destination text,
                    pattern text, disposition text, duration int, rated_amount numeric, amount numeric,
                    cost numeric, exception text, package_id int
                ) ON COMMIT DROP
                """,
                staging=SQL.identifier(STAGING),
                resolved=SQL.identifier(RESOLVED),
                doubles=SQL.identifier(DOUBLES),
                placed=SQL.identifier(PLACED),
                wanted=SQL.identifier(WANTED),
            )
        )

    def _resolve_query(self, server, usage_import):
        """Return the statement that looks up the account of each staged row and numbers its twins.

        Twins are rows equal in every column (a replayed call record, ASTPP facts 2.3). Those that earlier pieces of the
        same file had are counted as well.
        """
        earlier = SQL("0")
        if usage_import and usage_import.last_line:
            earlier = SQL(
                """
                CASE WHEN EXISTS (SELECT FROM astpp_usage e WHERE e.server_id = %(server)s AND e.source = s.source
                                     AND e.source_key = s.row_key AND e.import_id = %(import)s)
                     THEN 1 + (SELECT count(*) FROM astpp_usage e WHERE e.server_id = %(server)s AND e.source = s.source
                                  AND e.source_key IN (SELECT s.row_key || '-' || n FROM generate_series(1, 99) n))
                     ELSE 0 END
                """,
                server=server.id,
                **{"import": usage_import.id},
            )
        return SQL(
            """
            CREATE TEMPORARY TABLE %(resolved)s ON COMMIT DROP AS
            WITH account AS (
                SELECT id, astpp_id, number, status FROM astpp_account WHERE server_id = %(server)s
            ), term AS (
                SELECT t.account_id, t.partner_id, t.issuer_id, t.payment_mode = 'prepaid' AS prepaid, t.elsewhere, t.date_from,
                       lead(t.date_from) OVER (PARTITION BY t.account_id ORDER BY t.date_from) AS date_until
                  FROM astpp_account_term t JOIN account ON account.id = t.account_id
            ), named AS (
                -- ASTPP may reuse the number of a closed account: prefer the account that is not closed.
                SELECT DISTINCT ON (number) * FROM account ORDER BY number, status = 'closed', id DESC
            )
            -- Ids follow the order of keys, which is by time; rows are inserted in this order.
            SELECT s.*, row_number() OVER (ORDER BY source, row_key, line) AS id,
                   row_number() OVER (PARTITION BY source, row_key ORDER BY line) - 1 + %(earlier)s AS twin,
                   COALESCE(i.id, n.id) AS account_id,
                   CASE WHEN COALESCE(i.id, n.id) IS NULL THEN COALESCE(account_number, '#' || account_astpp_id)
                   END AS account_ref,
                   term.partner_id, term.issuer_id, COALESCE(term.prepaid, FALSE) AS prepaid,
                   COALESCE(term.elsewhere, FALSE) AS elsewhere
              FROM %(staging)s s
         LEFT JOIN account i ON i.astpp_id = NULLIF(s.account_astpp_id, 0)
         LEFT JOIN named n ON n.number = s.account_number
         LEFT JOIN term ON term.account_id = COALESCE(i.id, n.id) AND s.date >= term.date_from
                       AND (term.date_until IS NULL OR s.date < term.date_until)
            """,
            resolved=SQL.identifier(RESOLVED),
            staging=SQL.identifier(STAGING),
            server=server.id,
            earlier=earlier,
        )

    def _find_totals(self, server):
        """Note of each resolved row why it is held, and the totals that these rows go to if they are new."""
        period = self._period_of(SQL("SELECT account_id FROM %s", SQL.identifier(RESOLVED)), line="r")
        self.env.cr.execute(
            SQL(
                """
                CREATE TEMPORARY TABLE %(placed)s ON COMMIT DROP AS
                SELECT r.id, r.account_id, r.partner_id, r.issuer_id, r.charge_type, r.direction, r.prepaid, r.elsewhere,
                       NULL::int AS product_id, %(server)s AS server_id, %(company)s AS company_id,
                       %(currency)s AS currency_id,
                       CASE WHEN r.account_id IS NULL THEN 'unknown_account' ELSE held.reason END AS exception,
                       CASE WHEN r.account_id IS NULL THEN held.reason END AS second_exception, %(period)s AS until
                  FROM %(resolved)s r
             LEFT JOIN astpp_account a ON a.id = r.account_id
             LEFT JOIN %(doubles)s d ON d.id = r.id
            CROSS JOIN LATERAL (SELECT CASE WHEN twin > 0 THEN 'duplicate' ELSE COALESCE(d.reason, r.exception) END
                               ) AS held (reason);
                CREATE TEMPORARY TABLE %(wanted)s ON COMMIT DROP AS %(wanted_query)s;
                ANALYZE %(placed)s, %(wanted)s
                """,
                placed=SQL.identifier(PLACED),
                wanted=SQL.identifier(WANTED),
                wanted_query=self._wanted_query(SQL.identifier(PLACED)),
                resolved=SQL.identifier(RESOLVED),
                doubles=SQL.identifier(DOUBLES),
                period=period,
                server=server.id,
                company=server.company_id.id,
                currency=server.currency_id.id,
            )
        )

    def _insert_resolved_query(self, server, usage_import):
        """Return the statement that moves new rows to the ledger and its totals, and counts them by exception.

        The first of several twins is billed; the others get an ordinal in their key and are held as duplicates.
        """
        return SQL(
            """
            WITH moved AS (
                INSERT INTO astpp_usage AS u (
                    server_id, company_id, currency_id, source, source_key, account_id, account_ref, partner_id,
                    issuer_id, date, charge_type, direction, uniqueid, caller, callee, destination, pattern,
                    disposition, duration, rated_amount, amount, cost, prepaid, elsewhere, subscription_id, did_id, import_id,
                    exception, second_exception, total_id)
                SELECT p.server_id, p.company_id, p.currency_id, r.source,
                       CASE WHEN twin = 0 THEN row_key ELSE row_key || '-' || twin END,
                       r.account_id, r.account_ref, r.partner_id, r.issuer_id, r.date, r.charge_type, r.direction,
                       r.uniqueid, r.caller, r.callee, r.destination, r.pattern, r.disposition, r.duration,
                       r.rated_amount, r.amount, r.cost, r.prepaid, r.elsewhere,
                       (SELECT min(s.id) FROM astpp_subscription s
                         WHERE r.package_id IS NOT NULL AND s.server_id = %(server)s
                           AND s.astpp_order_id = r.package_id AND s.account_id = r.account_id),
                       (SELECT min(d.id) FROM astpp_did d
                         WHERE r.charge_type = 'did' AND r.direction = 'inbound' AND d.number = r.callee
                           AND d.server_id = %(server)s),
                       %(import_id)s, p.exception, p.second_exception, w.id
                  FROM %(resolved)s r
                  JOIN %(placed)s p ON p.id = r.id
                  JOIN %(wanted)s w ON %(same)s
              ORDER BY r.id
           ON CONFLICT (server_id, source, source_key) WHERE source_key IS NOT NULL DO NOTHING
             RETURNING exception, NULL::int AS old_id, total_id AS new_id, %(returned)s
            ), wanted AS (SELECT * FROM %(wanted)s
            ), %(changes)s
            SELECT exception, count(*) FROM moved GROUP BY exception
            """,
            resolved=SQL.identifier(RESOLVED),
            placed=SQL.identifier(PLACED),
            wanted=SQL.identifier(WANTED),
            same=same_key("p", "w"),
            returned=MOVED,
            changes=self._changes_query(),
            server=server.id,
            import_id=usage_import.id if usage_import else None,
        )
