import io

import psycopg2

from odoo import api, models
from odoo.tools import SQL

from ..connector.call_record import CallRecord

STAGING = "astpp_usage_staging"
COLUMNS = ("line", *CallRecord._fields)
COPY_SIZE = 1 << 20


class _CopyStream(io.RawIOBase):
    """Feeds rows to COPY as PostgreSQL asks for them, so that memory stays flat."""

    def __init__(self, rows):
        self._rows = rows
        self._rest = b""
        self.error = None

    def readable(self):
        return True

    def read(self, size=-1):  # pylint: disable=method-required-super
        size = COPY_SIZE if size < 0 else size
        parts, length = [self._rest], len(self._rest)
        try:
            while length < size and (row := next(self._rows, None)) is not None:
                parts.append(row)
                length += len(row)
        except Exception as error:
            # psycopg2 turns it into a cancelled query: keep the reason.
            self.error = error
            raise
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]


def _copy_line(line, record):
    """Write a record as a line of COPY's text format.

    The connector's texts have no control characters, so a backslash is all to look for.
    """
    values = ["\\N" if value is None else value if value.__class__ is str else str(value) for value in record]
    if "\\" in f"{record[3]}{record[7]}{record[8]}{record[9]}{record[10]}{record[11]}{record[12]}":
        values = [
            "\\N" if raw is None else value.replace("\\", "\\\\") for raw, value in zip(record, values, strict=True)
        ]
    return ("\t".join([str(line), *values]) + "\n").encode()


class AstppUsage(models.Model):
    """Bulk loading: COPY into a staging table, then what is new in one statement."""

    _inherit = "astpp.usage"

    @api.model
    def _load_calls(self, server, records, read_before=True):
        """Add call records to the ledger; records that it has already are passed over.

        :param server: the ``astpp.server`` they come from
        :param records: iterator of ``(line, CallRecord)``; read once, never held in memory
        :param read_before: calls of the same hours may be in the ledger: a row that differs from
            the one it knows is held as changed. False saves the look-up.
        :return: dict of counts: ``read``, ``added``, ``known``, and ``exceptions`` by kind
            among the added ones
        :raise Exception: what the iterator raises; the transaction is to be rolled back then
        """
        server.ensure_one()
        self._create_staging()
        rows = (_copy_line(line, record) for line, record in records)
        stream = _CopyStream(rows)
        try:
            self.env.cr.copy_expert(f"COPY {STAGING} FROM STDIN", stream)  # pylint: disable=sql-injection
        except psycopg2.errors.QueryCanceled as cancelled:
            raise stream.error or cancelled from cancelled
        self.env["astpp.account"].flush_model()
        self.flush_model()
        read = self.env.execute_query(SQL("SELECT count(*) FROM %s", SQL.identifier(STAGING)))[0][0]
        counts = dict(self.env.execute_query(self._insert_staged_query(server, read_before)))
        self.invalidate_model()
        added = sum(counts.values())
        counts.pop(None, None)
        return {"read": read, "added": added, "known": read - added, "exceptions": counts}

    def _create_staging(self):
        self.env.cr.execute(
            SQL(
                """
                DROP TABLE IF EXISTS %(staging)s;
                CREATE TEMPORARY TABLE %(staging)s (
                    line int, source text, row_key text, account_astpp_id int, account_number text, date timestamp,
                    charge_type text, direction text, uniqueid text, caller text, callee text, destination text,
                    pattern text, disposition text, duration int, rated_amount numeric, amount numeric,
                    cost numeric, exception text
                ) ON COMMIT DROP
                """,
                staging=SQL.identifier(STAGING),
            )
        )

    def _insert_staged_query(self, server, read_before):
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
                SELECT id, astpp_id, number, partner_id, issuer_id FROM astpp_account WHERE server_id = %(server)s
            ), staged AS (
                SELECT s.*, row_number() OVER (PARTITION BY source, row_key ORDER BY line) - 1 AS twin,
                       COALESCE(i.id, n.id) AS account_id,
                       COALESCE(i.partner_id, n.partner_id) AS partner_id,
                       COALESCE(i.issuer_id, n.issuer_id) AS issuer_id
                  FROM %(staging)s s
             LEFT JOIN account i ON i.astpp_id = NULLIF(s.account_astpp_id, 0)
             LEFT JOIN account n ON n.number = s.account_number
            ), added AS (
                INSERT INTO astpp_usage (
                    server_id, company_id, currency_id, source, source_key, account_id, account_ref, partner_id,
                    issuer_id, date, charge_type, direction, uniqueid, caller, callee, destination, pattern,
                    disposition, duration, rated_amount, amount, cost, exception)
                SELECT %(server)s, %(company)s, %(currency)s, s.source,
                       CASE WHEN twin = 0 THEN row_key ELSE row_key || '-' || twin END,
                       s.account_id,
                       CASE WHEN s.account_id IS NULL THEN COALESCE(s.account_number, '#' || s.account_astpp_id) END,
                       s.partner_id, s.issuer_id, s.date, s.charge_type, s.direction, s.uniqueid, s.caller,
                       s.callee, s.destination, s.pattern, s.disposition, s.duration, s.rated_amount, s.amount,
                       s.cost,
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
            changed=changed if read_before else SQL("FALSE"),
        )
