from decimal import Decimal

from odoo import api, fields, models
from odoo.tools import SQL


class AstppSyncSlice(models.Model):
    """The content of one hour of an ASTPP call table when it was last read.

    Call tables have neither a key nor a time of change. So each hour has a fingerprint, and only hours whose
    fingerprint changed are read again.
    """

    _name = "astpp.sync.slice"
    _description = "Synchronised Hour"
    _log_access = False
    _order = "start"

    server_id = fields.Many2one("astpp.server", required=True, ondelete="cascade")
    company_id = fields.Many2one(related="server_id.company_id")
    source = fields.Char(required=True)
    start = fields.Datetime(required=True)
    row_count = fields.Integer()
    # Sums of checksums exceed the range of an integer.
    fingerprint = fields.Char()

    _slice_uniq = models.UniqueIndex("(server_id, source, start)")

    @api.model
    def _changed(self, server, source, slices):
        """Return the slices whose content in ASTPP differs from what was last read.

        :param slices: list of ``connector.calls.Slice``, by start
        """
        if not slices:
            return []
        known = dict(
            self.env.execute_query(
                SQL(
                    """
                    SELECT to_char(start, 'YYYY-MM-DD HH24:MI:SS'), fingerprint FROM astpp_sync_slice
                     WHERE server_id = %s AND source = %s AND start >= %s::timestamp AND start <= %s
                    """,
                    server.id,
                    source,
                    slices[0].start,
                    slices[-1].start,
                )
            )
        )
        return [slice for slice in slices if known.get(slice.start) != self._fingerprint(slice)]

    @api.model
    def _months(self, server, source, start, end):
        """Return {month as YYYY-MM: (calls, seconds, sum of debit)} of the hours in [start, end) as last read.

        :param start: UTC text, as ``end``
        """
        rows = self.env.execute_query(
            SQL(
                """
                SELECT to_char(start, 'YYYY-MM'), sum(split_part(fingerprint, '/', 1)::bigint),
                       sum(split_part(fingerprint, '/', 2)::bigint), sum(split_part(fingerprint, '/', 3)::numeric)::text
                  FROM astpp_sync_slice
                 WHERE server_id = %s AND source = %s AND start >= %s::timestamp AND start < %s::timestamp
                   AND fingerprint <> ''
              GROUP BY 1
                """,
                server.id,
                source,
                start,
                end,
            )
        )
        return {month: (int(calls), int(seconds), Decimal(amount)) for month, calls, seconds, amount in rows}

    @api.model
    def _known(self, server, source, slices):
        """Tell whether any of these slices was read before."""
        starts = [slice.start for slice in slices]
        domain = [("server_id", "=", server.id), ("source", "=", source), ("start", "in", starts)]
        return bool(self.search_count(domain, limit=1))

    @api.model
    def _forget(self, server, days):
        """Forget the slices of some days, {(source, day)}, so that they are read again."""
        for source, day in days:
            self.env.cr.execute(
                SQL(
                    "UPDATE astpp_sync_slice SET fingerprint = '' WHERE server_id = %s AND source = %s AND start::date = %s",
                    server.id,
                    source,
                    day,
                )
            )

    @api.model
    def _remember(self, server, source, slices):
        """Remember these slices as read, in the transaction that loads their calls into the ledger."""
        if slices:
            self.env.cr.execute_values(
                """
                INSERT INTO astpp_sync_slice (server_id, source, start, row_count, fingerprint) VALUES %s
                ON CONFLICT (server_id, source, start)
                DO UPDATE SET row_count = EXCLUDED.row_count, fingerprint = EXCLUDED.fingerprint
                """,
                [(server.id, source, slice.start, slice.rows, self._fingerprint(slice)) for slice in slices],
            )

    @api.model
    def _fingerprint(self, slice):
        return f"{slice.rows}/{slice.seconds}/{slice.amount}/{slice.checksum}"
