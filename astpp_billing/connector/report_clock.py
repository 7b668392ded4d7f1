"""The clocks by which the times of reports are written.

ASTPP's own reports are in UTC plus the standard offset of the exporting user's zone: it knows no daylight saving time
(ASTPP facts 1.1). Reports that somebody has edited may be in local time.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

CLOCKS = ("fixed", "local")
# The fixed offset of a zone is that of this year: ASTPP 6's table of zones is as old as its last release.
YEAR = 2024


def report_zone(name: str, clock: str) -> tzinfo:
    """Return the zone of a report's times.

    :param name: IANA zone
    :param clock: "fixed" for the zone's offset without daylight saving, all year; "local" for the zone's own time
    """
    if name == "UTC":
        return UTC
    return ZoneInfo(name) if clock == "local" else timezone(min(_offsets(name, (YEAR,))))


def clock_offsets(name: str, clock: str, years: Iterable[int]) -> set[timedelta]:
    """Return a clock's offsets from UTC in some years; see ``report_zone``."""
    if clock == "local":
        return _offsets(name, years)
    return {min(_offsets(name, (YEAR,)))}


def _offsets(name: str, years: Iterable[int]) -> set[timedelta]:
    """Return a zone's offsets from UTC in January and July: where there is daylight saving time, one of them has it."""
    zone = ZoneInfo(name)
    # Local midnight is as much before that of UTC as the zone is ahead of it.
    return {
        datetime(year, month, 1, tzinfo=UTC) - datetime(year, month, 1, tzinfo=zone)
        for year in years
        for month in (1, 7)
    }
