import io
from collections import Counter

import psycopg2

from odoo import api, models
from odoo.tools import SQL

from ..connector.call_record import CallRecord

STAGING = "astpp_usage_staging"
# The ledger's columns in the order of a record that is copied straight into it.
COPY_COLUMNS = (
    *("server_id", "company_id", "currency_id", "source", "source_key", "account_id", "partner_id", "issuer_id"),
    *("prepaid", "account_ref", *CallRecord._fields[4:17], "exception", "subscription_id", "did_id"),
)
COPY_SIZE = 1 << 16


class _CopyStream(io.RawIOBase):
    """Feeds lines to COPY as PostgreSQL asks for them, so that memory stays flat."""

    def __init__(self, lines):
        self._lines = lines
        self._rest = b""
        self.error = None

    def readable(self):
        return True

    def read(self, size=-1):  # pylint: disable=method-required-super
        size = COPY_SIZE if size < 0 else size
        lines, length = [], len(self._rest)
        try:
            while length < size and (line := next(self._lines, None)) is not None:
                lines.append(line)
                length += len(line)
        except Exception as error:
            # psycopg2 turns it into a cancelled query: keep the reason.
            self.error = error
            raise
        data = self._rest + "".join(lines).encode()
        self._rest = data[size:]
        return data[:size]


def _copy_line(*values):
    """Write values as a line of COPY's text format, NULL as nothing."""
    return _escape("\t".join(["" if value is None else str(value) for value in values]))


def _escape(line):
    """The connector's texts have no control characters, so a backslash is all to look for."""
    return (line.replace("\\", "\\\\") if "\\" in line else line) + "\n"


class AstppUsage(models.Model):
    """Bulk loading: COPY into a staging table, then what is new in one statement."""

    _inherit = "astpp.usage"

    @api.model
    def _load_calls(self, server, records, read_before=True):
        """Add call records to the ledger; records that it has already are passed over.

        :param server: the ``astpp.server`` they come from
        :param records: iterator of ``(line, CallRecord)``; read once, never held in memory
        :param read_before: False when the ledger has no calls of the same source and hours: they
            are copied as they come, without looking for what is known
        :return: dict of counts: ``read``, ``added``, ``known``, and ``exceptions`` by kind
            among the added ones
        :raise Exception: what the iterator raises; the transaction is to be rolled back then
        """
        server.ensure_one()
        if not read_before:
            return self._copy_calls(server, records)
        self._create_staging()
        self._copy(STAGING, None, (_copy_line(line, *record) for line, record in records))
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
    def _copy(self, table, columns, lines):
        """Feed lines to COPY; an empty field is NULL.

        :param columns: names, None for all of the table's
        :raise Exception: what the lines raise
        """
        stream = _CopyStream(lines)
        names = f" ({', '.join(columns)})" if columns else ""
        try:
            self.env.cr.copy_expert(f"COPY {table}{names} FROM STDIN (NULL '')", stream, COPY_SIZE)
        except psycopg2.errors.QueryCanceled as cancelled:
            raise stream.error or cancelled from cancelled

    @api.model
    def _copy_calls(self, server, records):
        """Copy records straight into the ledger: see ``_load_calls``.

        Should one of them be there after all, its key is refused and nothing is copied.
        """
        self.env["astpp.account"].flush_model()
        self.flush_model()
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
        packages = server._synced_ids("astpp.subscription", "astpp_order_id")
        dids = server._did_ids()
        counts = Counter()
        # Nothing may be looked up while COPY has the connection.
        fixed = f"{server.id}\t{server.company_id.id}\t{server.currency_id.id}"
        self._copy(self._table, COPY_COLUMNS, self._copy_lines(fixed, records, accounts, packages, dids, counts))
        self.invalidate_model()
        added = counts.total()
        counts.pop(None, None)
        return {"read": added, "added": added, "known": 0, "exceptions": dict(counts)}

    @api.model
    def _copy_lines(self, fixed, records, accounts, packages, dids, counts):
        """Yield COPY's lines, and count the records by exception."""
        twins = Counter()
        for _line, record in records:
            (
                source, key, astpp_id, _number, date, charge_type, direction, uniqueid, caller, callee, destination,
                pattern, disposition, duration, rated_amount, amount, cost, exception, package_id,
            ) = record  # fmt: skip
            twins[key] += 1
            if (ordinal := twins[key] - 1) > 0:
                key, exception = f"{key}-{ordinal}", "duplicate"
            reference = ""
            if not (account := accounts.get(astpp_id)):
                account, exception, reference = "\t\t\tf", "unknown_account", f"#{astpp_id}"
            counts[exception] += 1
            package = packages.get(package_id, "") if package_id else ""
            did = dids.get(callee, "") if charge_type == "did" and direction == "inbound" else ""
            # Written out: joining a list takes twice as long.
            yield _escape(
                f"{fixed}\t{source}\t{key}\t{account}\t{reference}\t{date}\t{charge_type}\t{direction}"
                f"\t{uniqueid or ''}\t{caller or ''}\t{callee or ''}\t{destination or ''}\t{pattern or ''}"
                f"\t{disposition or ''}\t{duration}\t{rated_amount!s}\t{amount!s}\t{cost!s}\t{exception or ''}\t{package}\t{did}"
            )

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
        return SQL(
            """
            WITH account AS (
                SELECT id, astpp_id, number, partner_id, issuer_id, payment_mode = 'prepaid' AS prepaid
                  FROM astpp_account WHERE server_id = %(server)s
            ), staged AS (
                SELECT s.*, row_number() OVER (PARTITION BY source, row_key ORDER BY line) - 1 AS twin,
                       COALESCE(i.id, n.id) AS account_id,
                       COALESCE(i.partner_id, n.partner_id) AS partner_id,
                       COALESCE(i.issuer_id, n.issuer_id) AS issuer_id,
                       COALESCE(i.prepaid, n.prepaid, FALSE) AS prepaid
                  FROM %(staging)s s
             LEFT JOIN account i ON i.astpp_id = NULLIF(s.account_astpp_id, 0)
             LEFT JOIN account n ON n.number = s.account_number
            ), added AS (
                INSERT INTO astpp_usage (
                    server_id, company_id, currency_id, source, source_key, account_id, account_ref, partner_id,
                    issuer_id, date, charge_type, direction, uniqueid, caller, callee, destination, pattern,
                    disposition, duration, rated_amount, amount, cost, prepaid, subscription_id, did_id, exception)
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
                            WHEN twin > 0 THEN 'duplicate'
                            WHEN %(changed)s THEN 'changed'
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
        )
