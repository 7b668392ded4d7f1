from datetime import datetime, timedelta

from odoo import fields, models

from ..connector.calls import first_call, read_calls, read_days, read_slices

# Calls of one transaction. An interrupted synchronisation reads at most these again.
PIECE = 200_000
# Unreadable rows that are listed; the others are counted.
LISTED = 50
# So many new calls change what PostgreSQL should know of the table.
MANY = 100_000


class AstppServer(models.Model):
    """The steps of a synchronisation that read call tables, hour by hour."""

    _inherit = "astpp.server"

    def _sync_cdr(self, database, step):
        self._sync_calls(database, step, "cdr")

    def _sync_reseller_cdr(self, database, step):
        self._sync_calls(database, step, "reseller_cdr")

    def _sync_calls(self, database, step, source):
        """Read the hours whose content differs from what was read before."""
        start, end = self._usage_window()
        first = first_call(database, source, start)
        if not first:
            return
        slices = self.env["astpp.sync.slice"]
        found = read_slices(database, source, first[:13] + ":00:00", end)
        changed = set(slices._changed(self, source, found, start, end))
        step.remaining_count = sum(slice.rows for slice in changed)
        self._sync_commit()
        rejected = []
        for piece in self._pieces(found, changed):
            self._sync_piece(database, step, source, piece, rejected)
        if step.added_count >= MANY:
            self.env["astpp.usage"]._tell_planner()
        if rejected:
            listed = rejected[:LISTED]
            step.message = "\n".join([self.env._("%s rows cannot be read:", len(rejected)), *listed])

    def _pieces(self, found, changed):
        """Group changed hours that follow each other into pieces of one transaction."""
        piece, rows = [], 0
        for slice in found:
            if piece and (slice not in changed or rows + slice.rows > PIECE):
                yield piece
                piece, rows = [], 0
            if slice in changed:
                piece.append(slice)
                rows += slice.rows
        if piece:
            yield piece

    def _sync_piece(self, database, step, source, piece, rejected):
        """Put the calls of some hours into the ledger and note it, in one transaction."""
        started = datetime.now()
        start = piece[0].start
        end = fields.Datetime.to_string(fields.Datetime.to_datetime(piece[-1].start) + timedelta(hours=1))
        slices = self.env["astpp.sync.slice"]
        known = slices._known(self, source, piece) or self._has_usage(source, start, end)
        records = read_calls(database, source, start, end, rejected.append)
        counts = self.env["astpp.usage"]._load_calls(self, records, read_before=known)
        slices._remember(self, source, piece)
        step.write(
            {
                "read_count": step.read_count + counts["read"],
                "added_count": step.added_count + counts["added"],
                "remaining_count": max(0, step.remaining_count - sum(slice.rows for slice in piece)),
                "seconds": step.seconds + (datetime.now() - started).total_seconds(),
            }
        )
        self._sync_commit()

    def _has_usage(self, source, start, end):
        """Tell whether the ledger has calls of these hours, from a file for instance."""
        domain = [("server_id", "=", self.id), ("source", "=", source), ("date", ">=", start), ("date", "<", end)]
        return bool(self.env["astpp.usage"].search_count(domain, limit=1))

    def _sync_reconciliation(self, database, step):
        """Compare both sides day by day; days that differ are read again, once."""
        start, end = self._usage_window()
        reconciliation = self.env["astpp.reconciliation"]
        different = reconciliation._compare(self, read_days, database, start, end)
        if different:
            slices = self.env["astpp.sync.slice"]
            slices._forget(self, different)
            for source in {source for source, _day in different}:
                self._sync_calls(database, step, source)
            different = reconciliation._compare(self, read_days, database, start, end)
        if not self.sync_wide_date or fields.Datetime.now() - self.sync_wide_date > timedelta(hours=20):
            self.sync_wide_date = fields.Datetime.now()
        step.write({"changed_count": len(different)})
        if different:
            step.message = self.env._("%s days differ: see the report.", len({day for _source, day in different}))
