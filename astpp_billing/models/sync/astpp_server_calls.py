from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from odoo import fields, models
from odoo.fields import Domain

from ...conflicts import retry
from ...connector.calls import read_calls
from ...connector.read_ahead import read_ahead
from ...left_out import LeftOut
from ..ledger.usage_copy import in_chunks, owned_lines, staged_lines

# Calls per transaction, and so the most that an interrupted synchronisation reads again.
PIECE = 100_000
# Chunks read ahead while PostgreSQL checks and commits the previous ones.
AHEAD = 32
# With this many new calls, the planner's statistics of the table are out of date.
MANY = 100_000


@dataclass
class Piece:
    """Hours whose calls are loaded into the ledger in one transaction."""

    slices: list
    is_known: bool
    """whether the ledger may have calls of these hours already, so that each call must be looked up"""
    counts: Counter = field(default_factory=Counter)
    """calls by exception, filled while they are read; stays empty if ``is_known``"""
    sums: dict = field(default_factory=dict)
    """what the calls add to each total, filled while they are read; stays empty if ``is_known``"""
    left_out: LeftOut = field(default_factory=LeftOut)
    """rows that could not be read"""


class AstppServer(models.Model):
    """The synchronisation steps that read call tables, hour by hour."""

    _inherit = "astpp.server"

    def _sync_calls(self, run, source):
        """Load the hours whose content differs from what was read before.

        :param run: ``SyncRun``
        :param source: "cdr" or "reseller_cdr"
        """
        step, found, late = run.step, run.hours(source), run.late_hours(source)
        changed = {
            slice for hours in (late, found) for slice in self.env["astpp.sync.slice"]._changed(self, source, hours)
        }
        step.remaining_count = sum(slice.rows for slice in changed)
        waiting = list(self._grouped_slices(late + found, changed))
        # Time is asked for after a piece was loaded: a job that ends before would do the same again.
        run.keep()
        left_out = run.left_out
        while waiting:
            pieces = partial(self._sync_pieces, run, source, waiting)
            if run.commits:
                # Where a billing run was at the same totals, what is not committed is read again.
                retry(self.env, pieces)
            else:
                pieces()
        if step.added_count >= MANY:
            self.env["astpp.usage"]._tell_planner()
        if left_out.count:
            message = "\n".join([self.env._("%s rows cannot be read:", left_out.count), *left_out.reasons])
            step.write({"left_out_count": left_out.count, "message": message})

    def _grouped_slices(self, found, changed):
        """Yield lists of consecutive changed hours, each for one transaction."""
        slices, rows = [], 0
        for slice in found:
            if slices and (slice not in changed or rows + slice.rows > PIECE):
                yield slices
                slices, rows = [], 0
            if slice in changed:
                slices.append(slice)
                rows += slice.rows
        if slices:
            yield slices

    def _is_known(self, source, slices):
        """Tell whether the ledger may have calls of these hours, from an earlier run, a file or the API."""
        start, end = slices[0].start, slices[-1].end
        domain = Domain("server_id", "=", self.id) & Domain("source", "in", [source, "import", "api"])
        first, last = map(fields.Date.to_date, (start, end))
        days = domain & Domain([("day", ">=", first), ("day", "<=", last), ("lines", ">", 0)])
        hours = domain & Domain([("date", ">=", start), ("date", "<", end)])
        # Days first: the hours may be full of calls from other sources.
        return self.env["astpp.sync.slice"]._known(self, source, slices) or bool(
            self.env["astpp.usage.day"].search_count(days, limit=1)
            and self.env["astpp.usage"].search_count(hours, limit=1)
        )

    def _sync_pieces(self, run, source, waiting):
        """Load waiting hours into the ledger, reading the next ones meanwhile, and remove them from ``waiting``.

        Stops early when accounts, customers or issuers change, or another source adds calls in the hours ahead: what
        was already read ahead is then out of date.

        :param waiting: list of lists of slices
        """
        usage = self.env["astpp.usage"]
        owners, total_ids = usage._owners(self), usage._total_ids(self)
        pieces = [Piece(slices, self._is_known(source, slices)) for slices in waiting]
        with read_ahead(_piece_chunks(run.database, source, pieces, owners, total_ids), AHEAD) as chunks:
            for position, piece in enumerate(pieces):
                if position and not piece.is_known and self._is_known(source, piece.slices):
                    break
                fits = self._sync_piece(run, source, piece, iter(partial(next, chunks), None))
                run.left_out.include(piece.left_out)
                del waiting[0]
                if (now := usage._owners(self)) != owners:
                    self._settle_owners(owners.accounts, now.accounts)
                    break
                if not fits:
                    # Some totals were billed meanwhile; the calls read ahead name them as well.
                    break

    def _settle_owners(self, before, now):
        """Reassign calls that were stored while their accounts changed.

        :param before: ``Owners.accounts`` that the calls were read with
        :param now: the current ``Owners.accounts``
        """
        changed = [key for key in before.keys() | now.keys() if before.get(key) != now.get(key)]
        accounts = self.env["astpp.account"].search([("server_id", "=", self.id), ("astpp_id", "in", changed)])
        accounts._adopt_usage()
        usage = self.env["astpp.usage"]
        usage._reterm(accounts)

    def _sync_piece(self, run, source, piece, chunks):
        """Put the calls of some hours into the ledger and note it, in one transaction.

        :return: whether what is read ahead fits still
        """
        started, step = datetime.now(), run.step
        usage, fits = self.env["astpp.usage"], True
        if piece.is_known:
            counts = usage._load_staged(self, chunks)
            read, added = counts["read"], counts["added"]
        else:
            fits = usage._copy_owned(self, chunks, piece.sums)
            read = added = piece.counts.total()
        self.env["astpp.sync.slice"]._remember(self, source, piece.slices)
        step.write(
            {
                "read_count": step.read_count + read,
                "added_count": step.added_count + added,
                "remaining_count": max(0, step.remaining_count - sum(slice.rows for slice in piece.slices)),
                "seconds": step.seconds + (datetime.now() - started).total_seconds(),
            }
        )
        run.commit()
        return fits


def _piece_chunks(database, source, pieces, owners, total_ids):
    """Yield the pieces' calls as chunks for COPY, None after each piece. Runs in a thread: no ORM."""
    for piece in pieces:
        # Calls that came since are in hours that will differ from what is noted of them now, so they are read again.
        database.renew()
        records = read_calls(database, source, piece.slices, piece.left_out.add)
        if piece.is_known:
            yield from in_chunks(staged_lines(records))
        else:
            yield from in_chunks(owned_lines(owners, records, piece.counts, total_ids, piece.sums))
        yield None
