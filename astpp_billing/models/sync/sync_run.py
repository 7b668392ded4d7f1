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

# After so many hours it is night again.
NIGHT = timedelta(hours=20)
# Days that are looked back at once a night, because calls may be entered days later (ASTPP facts 2.2).
WIDE = 35


class SyncRun:
    """One synchronisation of a server, from its first step to its last one.

    :param server: ``astpp.server``, in its company
    :param commits: whether it commits piece by piece; False inside a transaction of the caller's
    """

    def __init__(self, server, commits: bool = False):
        self.server = server
        self.env = server.env
        self.commits = commits
        self.started = fields.Datetime.now()
        self.database: Database | None = None
        """ASTPP's, in one snapshot for all steps"""
        self.step = server.env["astpp.sync.step"]
        """the one that runs"""
        self.left_out = LeftOut()
        """ASTPP's rows that it could not take over"""
        self._hours: dict[str, list[Slice]] = {}

    def commit(self) -> None:
        """Make what is done so far lasting and visible."""
        if self.commits:
            self.env["ir.cron"]._commit_progress()

    @contextmanager
    def running(self, step):
        """Show a step as running, then what it did.

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
        """Note on the running step what it did, with the rows that it left out.

        :param remark: what else is to be said
        """
        self.step._note(read, added, changed, self.left_out, remark)

    @cached_property
    def settings(self) -> dict[str, str]:
        """ASTPP's settings of the system, by their names."""
        return system_settings(self.database)

    @cached_property
    def is_wide(self) -> bool:
        """Whether it looks back for weeks, as once a night."""
        last = self.server.sync_wide_date
        return not last or self.started - last > NIGHT

    @cached_property
    def window(self) -> tuple[str, str]:
        """(start, end) of the calls to compare, as UTC text: whole hours, up to now.

        Every time the look-back; all since ``sync_from`` the first time, and five weeks once a night.
        """
        start = self.server.sync_from or fields.Datetime.to_datetime("2000-01-01")
        if self.server.sync_wide_date:
            days = timedelta(days=WIDE if self.is_wide else max(self.server.lookback_days, 1))
            # Whole days, so that a day's figures are never those of a part of it.
            start = max(start, (self.started - days).replace(hour=0))
        start = start.replace(minute=0, second=0, microsecond=0)
        return fields.Datetime.to_string(start), fields.Datetime.to_string(self.started + timedelta(days=1))

    @contextmanager
    def adding_up_hours(self):
        """Have ASTPP's server add up its calls while Odoo's is at work inside of it: no other reading meanwhile."""
        with read_ahead(read_hours(self.database, *self.window), len(SOURCES)) as hours:
            yield
            # What cannot be read is told by the step that needs it.
            with suppress(ConnectorError):
                self._hours = dict(hours)

    def hours(self, source: str) -> list[Slice]:
        """Return the hours of a call table: once those that were added up before, then anew."""
        if source in self._hours:
            return self._hours.pop(source)
        [(_source, found)] = read_hours(self.database, *self.window, [source])
        return found
