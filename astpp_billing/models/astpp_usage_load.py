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


def _copy_text(value):
    """Write one value in COPY's text format."""
    if value is None:
        return r"\N"
    text = str(value)
    if "\\" in text or "\t" in text or "\n" in text or "\r" in text:
        text = text.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")
    return text


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
        rows = ("\t".join(map(_copy_text, (line, *record))).encode() + b"\n" for line, record in records)
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
                     WHERE e.account_id = a.id AND e.date = s.date AND e.uniqueid = s.uniqueid
                       AND e.source = s.source AND e.source_key NOT LIKE s.row_key || '%%')
            """
        )
        return SQL(
            """
            WITH staged AS (
                SELECT s.*, row_number() OVER (PARTITION BY source, row_key ORDER BY line) - 1 AS twin
                  FROM %(staging)s s
            ), added AS (
                INSERT INTO astpp_usage (
                    server_id, company_id, currency_id, source, source_key, account_id, account_ref, partner_id,
                    issuer_id, date, charge_type, direction, uniqueid, caller, callee, destination, pattern,
                    disposition, duration, rated_amount, amount, cost, exception)
                SELECT %(server)s, %(company)s, %(currency)s, s.source,
                       CASE WHEN twin = 0 THEN row_key ELSE row_key || '-' || twin END,
                       a.id,
                       CASE WHEN a.id IS NULL THEN COALESCE(s.account_number, '#' || s.account_astpp_id) END,
                       a.partner_id, a.issuer_id, s.date, s.charge_type, s.direction, s.uniqueid, s.caller,
                       s.callee, s.destination, s.pattern, s.disposition, s.duration, s.rated_amount, s.amount,
                       s.cost,
                       CASE WHEN a.id IS NULL THEN 'unknown_account'
                            WHEN twin > 0 THEN 'duplicate'
                            WHEN %(changed)s THEN 'changed'
                            ELSE s.exception END
                  FROM staged s
             LEFT JOIN astpp_account a
                    ON a.server_id = %(server)s
                   AND (a.astpp_id = s.account_astpp_id AND s.account_number IS NULL
                        OR a.number = s.account_number)
              ORDER BY s.line
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
