"""The clocks that ASTPP's reports are written with.

ASTPP adds a fixed number of seconds to UTC, that of the time zone of whoever exports the report, and knows no daylight
saving (ASTPP facts 1.1). What somebody else made of a report may be in local time.
"""

from datetime import UTC, datetime, timezone
from zoneinfo import ZoneInfo

CLOCKS = ("fixed", "local")
# ASTPP 6's table of time zones is as old as its last release.
YEAR = 2024


def report_zone(name, clock):
    """Return the tzinfo of a report's times.

    :param name: IANA zone
    :param clock: "fixed" for the zone's offset without daylight saving, all year; "local" for the zone's own time
    """
    if name == "UTC":
        return UTC
    return ZoneInfo(name) if clock == "local" else timezone(min(_offsets(name, (YEAR,))))


def clock_offsets(name, clock, years):
    """Return the set of a clock's differences from UTC in some years."""
    if clock == "local":
        return _offsets(name, years)
    return {min(_offsets(name, (YEAR,)))}


def _offsets(name, years):
    """In January and July: one is summer, wherever there is one."""
    zone = ZoneInfo(name)
    return {datetime(year, month, 1, tzinfo=zone).utcoffset() for year in years for month in (1, 7)}
