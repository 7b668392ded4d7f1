"""What the steps of a synchronisation share."""

import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property

from odoo import fields

from ...connector.calls import SOURCES, Slice, read_hours
from ...connector.database import ConnectorError, Database
from ...connector.read_ahead import read_ahead
from ...connector.schema import system_settings
from ...left_out import LeftOut

# Hours after which the nightly look-back is due again.
NIGHT = timedelta(hours=20)
# Days to look back once a night, because calls may be entered days later (ASTPP facts 2.2).
WIDE = 35


class SyncRun:
    """One synchronisation of a server, from its first step to its last.

    :param server: ``astpp.server``, in its company
    :param commits: whether to commit piece by piece; False when the caller owns the transaction
    """

    def __init__(self, server, commits: bool = False):
        self.server = server
        self.env = server.env
        self.commits = commits
        self.started = fields.Datetime.now()
        self.database: Database | None = None
        """ASTPP's database, in one snapshot for all steps"""
        self.step = server.env["astpp.sync.step"]
        """the step that is running"""
        self.left_out = LeftOut()
        """the running step's rows that could not be taken over"""
        self._hours: dict[str, list[Slice]] = {}

    def commit(self) -> None:
        """Commit the work done so far and report progress."""
        if self.commits:
            self.env["ir.cron"]._commit_progress()

    @contextmanager
    def running(self, step):
        """Mark a step as running, then as done with its result.

        :param step: ``astpp.sync.step``
        """
        self.step, self.left_out = step, LeftOut()
        left_out_before = step.left_out_count
        step._begin()
        self.commit()
        begun = time.monotonic()
        yield
        step._end(time.monotonic() - begun)
        step._tell_left_out(left_out_before)
        self.commit()

    def note(self, read: int, added: int, changed: int, remark: str = "") -> None:
        """Record the running step's result and the rows that it left out.

        :param remark: further text for the step's message
        """
        self.step._note(read, added, changed, self.left_out, remark)

    @cached_property
    def settings(self) -> dict[str, str]:
        """ASTPP's system settings by name."""
        return system_settings(self.database)

    @cached_property
    def is_wide(self) -> bool:
        """Whether this run looks back for weeks, which happens once a night."""
        last = self.server.sync_wide_date
        return not last or self.started - last > NIGHT

    @cached_property
    def window(self) -> tuple[str, str]:
        """(start, end) of the calls to compare, as UTC text; starts on a whole hour and includes the present.

        The first run covers everything since ``sync_from``, a nightly run five weeks, any other run the look-back days.
        """
        start = self.server.sync_from or fields.Datetime.to_datetime("2000-01-01")
        if self.server.sync_wide_date:
            days = timedelta(days=WIDE if self.is_wide else max(self.server.lookback_days, 1))
            # Start at midnight, so that a day's sums are never those of only part of the day.
            start = max(start, (self.started - days).replace(hour=0))
        start = start.replace(minute=0, second=0, microsecond=0)
        return fields.Datetime.to_string(start), fields.Datetime.to_string(self.started + timedelta(days=1))

    @contextmanager
    def adding_up_hours(self):
        """Have ASTPP's server sum up its calls while Odoo works in the body; the database may not be read meanwhile."""
        with read_ahead(read_hours(self.database, *self.window), len(SOURCES)) as hours:
            yield
            # An error is reported by the step that needs the hours.
            with suppress(ConnectorError):
                self._hours = dict(hours)

    def hours(self, source: str) -> list[Slice]:
        """Return the hours of a call table: those summed up in advance the first time, read anew after that."""
        if source in self._hours:
            return self._hours.pop(source)
        [(_source, found)] = read_hours(self.database, *self.window, [source])
        return found
