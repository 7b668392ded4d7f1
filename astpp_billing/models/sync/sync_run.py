"""What the steps of a synchronisation share."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property

from dateutil.relativedelta import relativedelta

from odoo import fields

from ...connector.calls import SOURCES, Slice, first_call, read_hours, read_slices, read_sums
from ...connector.database import ConnectorError, Database
from ...connector.read_ahead import read_ahead
from ...connector.schema import system_settings
from ...left_out import LeftOut
from ..job_time import JobTime

# Hours after which the nightly look-back is due again.
NIGHT = timedelta(hours=20)
# Days to look back once a night, because calls may be entered days later (ASTPP facts 2.2).
WIDE = 35


class OutOfTimeError(Exception):
    """The job has to end before its worker's limits are reached; what is done so far is committed."""


class SyncRun:
    """One synchronisation of a server, from its first step to its last.

    :param server: ``astpp.server``, in its company
    :param commits: whether to commit piece by piece; False when the caller owns the transaction
    :param limits: how long it may take, None for no limit
    """

    def __init__(self, server, commits: bool = False, limits: JobTime | None = None):
        self.server = server
        self.env = server.env
        self.commits = commits
        self._limits = limits
        self.started = fields.Datetime.now()
        self.database: Database | None = None
        """ASTPP's database, in one snapshot for all steps"""
        self.step = server.env["astpp.sync.step"]
        """the step that is running"""
        self.left_out = LeftOut()
        """the running step's rows that could not be taken over"""
        self.late_spans: set[tuple[str, str, str]] = set()
        """(source, start, end) of months before ``window`` that are read again, as UTC text"""
        self._late_read: dict[str, list[Slice]] = {}
        self._hours: dict[str, list[Slice]] = {}

    def commit(self) -> None:
        """Commit the work done so far and report progress.

        :raise OutOfTimeError: when the job's time is up
        """
        self.keep()
        if self.commits and self._limits and self._limits.is_up:
            raise OutOfTimeError

    def keep(self) -> None:
        """Commit the work done so far, however little time there is."""
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
        self.keep()
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

    @property
    def history(self) -> tuple[str, str]:
        """(start, end) of the calls before ``window``, as UTC text; nothing where the window covers all of them."""
        start, end = self.server.sync_from, self.window[0]
        if not start:
            return "2000-01-01 00:00:00", end
        start = start.replace(minute=0, second=0, microsecond=0)
        return min(fields.Datetime.to_string(start), end), end

    def _late_spans(self, source: str) -> Iterator[tuple[str, str]]:
        """Yield the months before ``window`` whose calls are not what was last read, as (start, end), once a night.

        Calls may be entered weeks later, and *Usage From* may be set back. A month at a time, so that no statement is long.
        """
        start, end = self.history
        if not self.is_wide or not self.server.sync_wide_date or start >= end:
            return
        known = self.env["astpp.sync.slice"]._months(self.server, source, start, end)
        if not (first := first_call(self.database, source, start)):
            return
        since = max(start, f"{first[:13]}:00:00")
        while since < end:
            month = fields.Datetime.to_datetime(f"{since[:7]}-01 00:00:00")
            until = min(end, fields.Datetime.to_string(month + relativedelta(months=1)))
            if read_sums(self.database, source, since, until) != known.get(since[:7], (0, 0, 0)):
                yield since, until
            since = until

    def late_hours(self, source: str) -> list[Slice]:
        """Return the hours of months before ``window`` that have to be read again, and note them in ``late_spans``.

        They are looked for once a run. What ASTPP has purged is compared no more: days before the first call that is left.
        """
        if source in self._late_read:
            return self._late_read[source]
        hours: list[Slice] = []
        for since, until in self._late_spans(source):
            found = read_slices(self.database, source, since, until)
            hours += found
            if found:
                first = fields.Datetime.to_datetime(found[0].start)
                is_whole = found[0].start <= since or first.hour == 0
                day = first.replace(hour=0) + timedelta(days=0 if is_whole else 1)
                self.late_spans.add((source, max(since, fields.Datetime.to_string(day)), until))
        self._late_read[source] = hours
        return hours

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
